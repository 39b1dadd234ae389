"""The yardstick of fusion: a signed distance volume that has all its voxels, in plain NumPy."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import trimesh


class DenseTsdf:
    """Weighted mean of projective signed distances and colours over a whole box (Curless & Levoy, SIGGRAPH 1996).

    Every depth map visits every voxel, slab by slab, so that temporary arrays stay in the cache and cost no memory.
    """

    def __init__(
        self, low: np.ndarray, high: np.ndarray, voxel_size: float, truncation: float, *, slab_voxels: int = 1 << 16
    ) -> None:
        """
        Args:
            low, high: (3,) corners of the box, in the world.
            slab_voxels: About so many are visited together.
        """
        shape = tuple(np.ceil((np.asarray(high) - low) / voxel_size).astype(int) + 1)
        self.low, self.voxel_size, self.truncation = np.asarray(low, np.float64), voxel_size, truncation
        self.distance = np.ones(shape, np.float32)
        """In units of the truncation distance, positive in front of the surface."""
        self.weight = np.zeros(shape, np.float32)
        self.color = np.zeros((*shape, 3), np.float32)
        self._thick = max(1, slab_voxels // (shape[1] * shape[2]))
        self._axes = [(low[axis] + voxel_size * np.arange(length)) for axis, length in enumerate(shape)]

    def integrate(
        self, depth: np.ndarray, intrinsics: np.ndarray, world_from_cam: np.ndarray, color: np.ndarray
    ) -> None:
        """Add a frame: z-depth (h, w), 0 where unknown; K; rigid pose; RGB (h, w, 3) uint8."""
        cam_from_world = np.linalg.inv(world_from_cam)
        flat_depth, flat_color = depth.astype(np.float32).ravel(), color.reshape(-1, 3)
        for start in range(0, len(self.distance), self._thick):
            slab = slice(start, start + self._thick)
            axes = (self._axes[0][slab, None, None], self._axes[1][None, :, None], self._axes[2][None, None, :])
            x, y, z = (
                sum((row[axis] * axes[axis]).astype(np.float32) for axis in range(3)) + np.float32(row[3])
                for row in cam_from_world[:3]
            )
            self._add(slab, x, y, z, flat_depth, flat_color, depth.shape, intrinsics.astype(np.float32))

    def _add(
        self,
        slab: slice,
        x: np.ndarray,
        y: np.ndarray,
        z: np.ndarray,
        depth: np.ndarray,
        color: np.ndarray,
        size: tuple[int, ...],
        K: np.ndarray,
    ) -> None:
        height, width = size
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.rint(K[0, 0] * x / z + K[0, 2])
            v = np.rint(K[1, 1] * y / z + K[1, 2])
        inside = np.flatnonzero((z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height))
        pixel = v.ravel()[inside].astype(np.int32) * width + u.ravel()[inside].astype(np.int32)
        seen = depth[pixel]
        distance = (seen - z.ravel()[inside]) / np.float32(self.truncation)
        known = (seen > 0) & (distance > -1)
        voxel, pixel = inside[known], pixel[known]
        # Views of the slab: contiguous, since it is cut along the first axis.
        distances, weights = self.distance[slab].reshape(-1), self.weight[slab].reshape(-1)
        colors = self.color[slab].reshape(-1, 3)
        total = weights[voxel] + 1
        distances[voxel] += (np.minimum(distance[known], 1) - distances[voxel]) / total
        colors[voxel] += (color[pixel] - colors[voxel]) / total[:, None]
        weights[voxel] = total

    def mesh(self) -> "trimesh.Trimesh":
        """The zero level where all was observed, with vertex colours."""
        import trimesh
        from skimage.measure import marching_cubes

        observed = self.weight > 0
        cells = np.zeros_like(observed)
        cells[1:, 1:, 1:] = True
        for i, j, k in np.ndindex(2, 2, 2):
            cells[1:, 1:, 1:] &= observed[
                i : observed.shape[0] - 1 + i, j : observed.shape[1] - 1 + j, k : observed.shape[2] - 1 + k
            ]
        vertices, faces, _, _ = marching_cubes(self.distance, 0.0, mask=cells, gradient_direction="descent")
        nearest = tuple(np.rint(vertices).astype(int).T)
        mesh = trimesh.Trimesh(self.low + self.voxel_size * vertices, faces, process=False)
        mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=self.color[nearest].astype(np.uint8))
        return mesh
