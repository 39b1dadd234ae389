"""The results that travel between the rooms: views, predictions, groups and the finished scene."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from pointmap.progress import ProgressCallback
from pointmap.shapes import Bool, Float, UInt8

if TYPE_CHECKING:
    import trimesh

    from pointmap.localization import Localization


@dataclass(frozen=True)
class View:
    """One photo, upright, in the working size that the network sees."""

    name: str
    """File name (unique within a photo set), shown to people and written to files."""

    image: UInt8[np.ndarray, "h w 3"]
    """RGB of the working image."""

    original_size: tuple[int, int]
    """Width and height of the upright original photo, in pixels."""

    working_from_original: Float[np.ndarray, "3 3"]
    """Maps a pixel (u, v, 1) of the upright original to the working image: resize, then crop."""

    path: Path | None = None
    """Where the original is; None for an in-memory image."""

    focal_px_prior: float | None = None
    """Focal length that EXIF states, in pixels of the original photo."""


@dataclass(frozen=True)
class PairPrediction:
    """What the network says of a batch of pairs (i, j). Both pointmaps are in the camera frame of i."""

    points_i: Float[Tensor, "batch h_i w_i 3"]
    points_j: Float[Tensor, "batch h_j w_j 3"]
    confidence_i: Float[Tensor, "batch h_i w_i"]
    """At least 1."""
    confidence_j: Float[Tensor, "batch h_j w_j"]
    descriptors_i: Float[Tensor, "batch h_i w_i d"] | None = None
    """Unit-norm local features (MASt3R); None for networks without them."""
    descriptors_j: Float[Tensor, "batch h_j w_j d"] | None = None
    descriptor_confidence_i: Float[Tensor, "batch h_i w_i"] | None = None
    descriptor_confidence_j: Float[Tensor, "batch h_j w_j"] | None = None
    sky_i: Float[Tensor, "batch h_i w_i"] | None = None
    """Logit of the pixel showing sky; None for networks that do not say."""
    sky_j: Float[Tensor, "batch h_j w_j"] | None = None


@dataclass(frozen=True)
class Group:
    """Pointmaps of k >= 2 views that share one frame, up to scale: that of the first view's camera.

    A pair is k = 2 (both pointmaps in the frame of `views[0]`); the output of a multi-view network on a
    chunk of photos is k = many.
    """

    views: tuple[int, ...]
    """Indices of the views in the photo set."""

    points: list[Float[np.ndarray, "_ _ 3"]] | list[Float[Tensor, "_ _ 3"]]
    """One pointmap (h, w, 3) per view; views may differ in size."""

    confidences: list[Float[np.ndarray, "_ _"]] | list[Float[Tensor, "_ _"]]
    """One map (h, w) per view, at least 1."""


@dataclass(frozen=True)
class LazyGroup:
    """A group whose arrays are fetched when they are needed, from a file or a cache: for sets larger than memory.

    `align` fetches each a few times in all. (A `Group` that holds `numpy.memmap` arrays needs no wrapping.)
    """

    views: tuple[int, ...]
    """Indices of the views in the photo set."""

    load: Callable[[], Group]
    """Gives the same group, of these views, whenever it is called."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo of a scene, upright and as a pinhole camera sees it: distortion, where a lens has some, is taken out."""

    image: UInt8[np.ndarray, "height width 3"]

    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole K in pixels of the image."""


@dataclass(frozen=True, eq=False)
class PhotoMaps(Photo):
    """What a scene knows of every pixel of a photo, at the photo's own resolution."""

    depth: Float[np.ndarray, "height width"]
    """z-depth in scene units; 0 where unknown."""

    confidence: Float[np.ndarray, "height width"]
    """At least 1; 0 where unknown."""

    mask: Bool[np.ndarray, "height width"]
    """True where the pixel is kept (`Scene.masks`)."""


class Keep(TypedDict, total=False):
    """Which pixels take part in clouds, surfaces and files: the settings of `Scene.masks`, which explains them."""

    min_confidence: float | None
    confidence_percentile: float | None
    visibility_tolerance: float | None
    consistency: float | None
    mask_sky: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """A posed scene. Arrays are NumPy; cameras are OpenCV's: x right, y down, z forward.

    Everything is in one world frame. Its scale is arbitrary unless `metric` is True.
    """

    names: tuple[str, ...]
    """(N,) file names."""

    paths: tuple[Path | None, ...]
    """(N,) where the originals are; None for in-memory images."""

    image_sizes: np.ndarray
    """(N, 2) width and height of the original photos."""

    intrinsics: np.ndarray
    """(N, 3, 3) pinhole K in pixels of the original photos; the centre of the first pixel is (0, 0)."""

    world_from_cam: np.ndarray
    """(N, 4, 4) rigid poses; NaN where a photo is not registered."""

    depths: list[np.ndarray]
    """N arrays (h, w): z-depth of the working images, in scene units."""

    confidences: list[np.ndarray]
    """N arrays (h, w), at least 1."""

    colors: list[np.ndarray]
    """N arrays (h, w, 3) uint8: the working images."""

    working_intrinsics: np.ndarray
    """(N, 3, 3) pinhole K in pixels of the (h, w) maps."""

    registered: np.ndarray
    """(N,) bool: False where a photo could not be tied to the rest."""

    metric: bool = False
    """True when one scene unit is a metre: with a metric network, unless known lengths or poses set another unit."""

    report: dict[str, Any] = field(default_factory=dict)
    """How the scene was made: settings, seconds per stage, losses, what was dropped and why. Plain JSON values."""

    distortion: np.ndarray | None = None
    """(N, 5) OpenCV's k1, k2, p1, p2, k3 of the original photos; None where lenses have none. All maps and K are of the
    undistorted photos, which have the size of the originals."""

    sky: list[np.ndarray] | None = None
    """N arrays (h, w): how likely a pixel shows sky, 0 to 1, as the network says; None where it does not say."""

    def __post_init__(self) -> None:
        count = len(self.names)
        for name, shape in _PER_PHOTO.items():
            if len(getattr(self, name)) != count:
                raise ValueError(f"Scene of {count} photos, but {name} has {len(getattr(self, name))} entries.")
            if shape is not None and getattr(self, name).shape != (count, *shape):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}; expected {(count, *shape)}.")
        for name, depth, confidence, color in zip(self.names, self.depths, self.confidences, self.colors, strict=True):
            if not depth.shape == confidence.shape == color.shape[:2]:
                raise ValueError(
                    f"Maps of {name!r} differ in size: depth {depth.shape}, confidence {confidence.shape}, "
                    f"colours {color.shape}."
                )
        if self.distortion is not None and self.distortion.shape != (count, 5):
            raise ValueError(f"distortion has shape {self.distortion.shape}; expected {(count, 5)}.")
        if self.sky is not None and [sky.shape for sky in self.sky] != [depth.shape for depth in self.depths]:
            raise ValueError("sky must have one map per photo, of the size of its depth map.")

    def __len__(self) -> int:
        """Number of photos, registered or not."""
        return len(self.names)

    @property
    def pointmaps(self) -> list[np.ndarray]:
        """N arrays (h, w, 3) float32: the world point of every working pixel; NaN where a photo is not registered."""
        from pointmap.geometry.cameras import unproject_depth
        from pointmap.geometry.transforms import transform_points

        pointmaps = []
        for depth, intrinsics, world_from_cam in zip(
            self.depths, self.working_intrinsics, self.world_from_cam, strict=True
        ):
            points_cam = unproject_depth(_tensor(depth), _tensor(intrinsics))
            points_world = transform_points(_tensor(world_from_cam), points_cam.reshape(-1, 3))
            pointmaps.append(points_world.reshape(points_cam.shape).numpy())
        return pointmaps

    def masks(
        self,
        *,
        min_confidence: float | None = None,
        confidence_percentile: float | None = None,
        visibility_tolerance: float | None = None,
        consistency: float | None = None,
        mask_sky: bool = False,
    ) -> list[np.ndarray]:
        """N arrays (h, w) bool, True where a pixel's point is kept in clouds, meshes and depth images.

        Left out are photos that are not registered, depths that are not positive and finite, low confidences
        and flying pixels (points between the surfaces at a depth edge).

        Args:
            min_confidence: Pixels below are left out; default `pointmap.fusion.masks.robust_min_confidence`.
            confidence_percentile: Instead, leave out this part, in percent, of all pixels: the least confident.
            visibility_tolerance: Leave out points too that hang in front of what a surer photo sees, by more than this
                share of its depth; None keeps them.
            consistency: Leave out points that more photos see past than confirm, where depths that differ by less than
                this share are the same; a point that no other photo can see stays. None keeps them all.
            mask_sky: Leave out what shows sky.
        """
        from pointmap.fusion.masks import scene_masks

        return scene_masks(
            self,
            min_confidence,
            visibility_tolerance,
            confidence_percentile=confidence_percentile,
            consistency=consistency,
            mask_sky=mask_sky,
        )

    def photo(self, index: int, *, max_size: int | None = None) -> Photo:
        """A photo from its original file; the working image where that is gone or was never a file.

        Args:
            index: Of the photo.
            max_size: Shrink it to this long side in pixels if it is larger.
        """
        from pointmap.images.originals import original_photo

        return original_photo(self, index, max_size=max_size)

    def photo_maps(
        self,
        index: int,
        *,
        max_size: int | None = None,
        masks: list[np.ndarray] | None = None,
        **keep: Unpack[Keep],
    ) -> PhotoMaps:
        """Depth, confidence and mask of a photo at its own resolution, following its edges.

        Args:
            index, max_size: See `photo`.
            masks: What `masks` gave for these settings; for the maps of many photos, so that it is asked once.
            keep: See `masks`.
        """
        from pointmap.fusion.upsampling import photo_maps

        return photo_maps(self, index, max_size=max_size, masks=masks, **keep)

    def point_cloud(
        self, *, max_points: int | None = None, seed: int = 0, normals: bool = True, **keep: Unpack[Keep]
    ) -> "trimesh.PointCloud":
        """Coloured points of all registered photos, in the world frame.

        `metadata` has one entry per point for each of "confidence", "photo" (index), "pixel" (index into the flattened
        map), "spacing" (width of the pixel at the point, in scene units) and "normal" (unit vector, on the side of the
        photo's camera).

        Args:
            max_points: Take so many, evenly over every photo, if there are more.
            seed: Of that choice.
            normals: False leaves out "normal", which takes most of the time.
            keep: See `masks`.
        """
        from pointmap.fusion.cloud import point_cloud

        return point_cloud(self, self.masks(**keep), max_points=max_points, seed=seed, normals=normals)

    def mesh(
        self,
        *,
        method: Literal["auto", "tsdf", "grid"] = "auto",
        texture: bool = False,
        watertight: bool = False,
        voxel_size: float | None = None,
        max_hole: float | None = None,
        target_faces: int = 200_000,
        texture_size: int = 4096,
        progress: ProgressCallback | None = None,
        **keep: Unpack[Keep],
    ) -> "trimesh.Trimesh":
        """Surface of all registered photos, in the world frame.

        Args:
            method: "tsdf" fuses all depth maps into one surface (`pointmap.fuse`), cleans and closes it; "grid" is
                quick: one sheet per photo, cut at depth edges. "auto" fuses two photos or more.
            texture: Colour from the original photos in one texture; otherwise one colour per vertex.
            watertight: Close it. A scene from object mode (see `reconstruct`, subject="object") is carved by its masks;
                any other one is closed as a whole: what goes around something becomes a body, a wall a slab.
            voxel_size: Of the fusion, in scene units; default by the pixels' distance on the surface.
            max_hole: Holes up to this length around, in scene units, are filled; default some voxels.
            target_faces: The mesh is simplified to about so many.
            texture_size: Longest side of the texture, in pixels.
            progress: Called with (stage, done, total).
            keep: See `masks`; but for a fused surface, `consistency` is 0.05 unless it is given.
        """
        from pointmap.surface import scene_mesh

        return scene_mesh(
            self,
            method=method,
            texture=texture,
            watertight=watertight,
            voxel_size=voxel_size,
            max_hole=max_hole,
            target_faces=target_faces,
            texture_size=texture_size,
            progress=progress,
            **keep,
        )

    def localize(self, photos: Any, **settings: Any) -> "Localization | list[Localization]":
        """Where new photos were taken, in this scene, which stays as it is; see `pointmap.localization.localize`."""
        from pointmap.localization import localize

        return localize(self, photos, **settings)

    def save(self, path: str | Path) -> Path:
        """Write everything to one .npz, which `load` and plain NumPy read.

        Raises:
            InputError: The file cannot be written. An older file at `path` stays as it was.
        """
        from pointmap.export.npz import save_scene

        return save_scene(self, path)

    @classmethod
    def load(cls, path: str | Path) -> "Scene":
        """Read a scene that `save` wrote; never unpickles.

        Raises:
            InputError: The file is missing, damaged, or not a scene.
        """
        from pointmap.export.npz import load_scene

        return load_scene(path)

    def export(self, path: str | Path, *, format: str | None = None, **settings: Any) -> Path:
        """Write the scene in a format of other tools; what is there is replaced.

        Args:
            path: The file or folder; the ending of a file chooses the format: .glb (cloud and cameras, for viewers),
                .ply (cloud), .obj (textured mesh), .html (a viewer that needs nothing else), .json (cameras), .npz
                (everything).
            format: Instead, one of the names in `pointmap.formats.WRITERS`, among them "colmap" and "nerfstudio", which
                are folders.
            settings: Of the format: `max_points`, `target_faces`, `texture_size`, those of `masks`, and others; see the
                function that `WRITERS` names.

        Raises:
            InputError: Unknown format or setting, or the file cannot be written.
        """
        from pointmap.formats import export

        return export(self, path, format=format, **settings)

    @classmethod
    def read(cls, path: str | Path) -> "Scene":
        """Read what other tools wrote, or a folder of ours: a COLMAP model with its photos and depth maps, a
        `transforms.json` (nerfstudio, instant-ngp, Blender), posed RGB-D photos (cameras.json, 7-Scenes, 3DMatch,
        ScanNet, TUM), a `scene.npz`.

        Args:
            path: The folder, or the file in it.

        Raises:
            InputError: It is none of these, or damaged.
        """
        from pointmap.formats import read

        return read(path)


_PER_PHOTO: dict[str, tuple[int, ...] | None] = {
    "paths": None,
    "image_sizes": (2,),
    "intrinsics": (3, 3),
    "world_from_cam": (4, 4),
    "depths": None,
    "confidences": None,
    "colors": None,
    "working_intrinsics": (3, 3),
    "registered": (),
}
"""What has one entry per photo; the shape of an entry where all share one array."""


def _tensor(array: np.ndarray) -> Float[Tensor, "..."]:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
