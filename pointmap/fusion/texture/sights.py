"""What a photo sees of a mesh: which faces, from how near, in which colours."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.fusion.texture.surface import Surface
from pointmap.geometry.cameras import project_points
from pointmap.geometry.rasterize import rasterize
from pointmap.geometry.transforms import invert_rigid, transform_points
from pointmap.images.srgb import linear_from_srgb
from pointmap.scene import Photo
from pointmap.shapes import Bool, Float, Int, UInt8

_DEPTH_SIDE = 1024
"""Long side, in pixels, of the images in which hidden surfaces are found and colours are compared."""
_LEAST_FACING = 0.1
"""Cosine between a face's normal and the way to the camera."""
_TOLERANCE = 0.003
"""A point further behind what is seen than this share of its depth, beyond what slant explains, is hidden."""
_SLANT_PIXELS = 2.0
"""Slant explains what depth the face gains over so many pixels."""
_BORDER = 2.0
"""Pixels of the photo's border that are not used."""


@dataclass(frozen=True, eq=False)
class TexturePhoto:
    """A photo to colour a mesh from, with its camera."""

    load: Callable[[], Photo]
    """Reads it. Called two times, so that not all photos need be held at once. The image may be smaller than `size`,
    and a part of it: then its intrinsics say which."""

    size: tuple[int, int]
    """Width and height of the photo, in pixels."""

    intrinsics: Float[np.ndarray, "3 3"]
    """Pinhole K in pixels of the photo; the centre of the first pixel is (0, 0)."""

    world_from_cam: Float[np.ndarray, "4 4"]
    """Rigid pose: x right, y down, z forward."""

    mask: Bool[np.ndarray, "_ _"] | None = None
    """In any resolution: False where the photo shows something else than the mesh."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Where a photo sees the faces of a surface, tested against what hides them."""

    cam_from_world: Float[Tensor, "4 4"]
    K: Float[Tensor, "3 3"]
    size: tuple[int, int]

    nearest: Float[Tensor, "h w"]
    """Least depth around the pixels of a smaller image; infinite where the photo sees nothing of the surface."""

    farthest: Float[Tensor, "h w"]
    """Likewise the largest depth; 0 where nothing is seen."""

    void: Bool[Tensor, "h w"]
    """Likewise, whether any of these pixels sees nothing."""

    slope: Float[Tensor, "f"]
    """How much of its depth, per pixel of that image and unit of depth, a face gains; infinite if it looks away."""

    open: Bool[Tensor, "f"]
    """See `Surface`."""

    mask: Bool[Tensor, "_ _"] | None

    def see(
        self, local: Float[Tensor, "n 3"], faces: Int[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, "n"], Bool[Tensor, "n"]]:
        """Pixels (u, v) of points on faces, in the camera frame; whether the photo shows them there, and clearly so.

        At a silhouette the photo may as well show what is behind it: there it is not clear.
        """
        depth = local[:, 2]
        pixels = project_points(local, self.K.to(local))
        limit = torch.tensor(self.size, device=pixels.device) - 1 - _BORDER
        seen = (depth > 0) & ((pixels >= _BORDER) & (pixels <= limit)).all(dim=-1)
        place = _place(pixels, self.size, self.nearest.shape)
        tolerance = 1 + _TOLERANCE + _SLANT_PIXELS * depth * self.slope[faces]
        seen &= (depth <= self.nearest[place] * tolerance) & self.slope[faces].isfinite()
        if self.mask is not None:
            seen &= self.mask[_place(pixels, self.size, self.mask.shape)]
        rim = (self.farthest[place] > depth * tolerance) | (self.void[place] & ~self.open[faces])
        return pixels, seen, seen & ~rim


@dataclass(frozen=True, eq=False)
class Sight:
    """The faces that a photo sees, and how well."""

    camera: Camera

    faces: Int[Tensor, "m"]
    """Those of which it sees a part, ascending."""

    share: Float[Tensor, "m"]
    """Which part of them it sees: 1 for whole faces. What is not clear counts half."""

    resolution: float
    """Pixels of the image as it was read, per pixel of the photo as it was announced."""

    density: Float[Tensor, "m"]
    """Pixels of the image as it was read, per unit of the face's area."""

    colors: Float[Tensor, "m 3"]
    """Mean light of what is seen of each, 0 to 1."""

    contrast: Float[Tensor, "m"]
    """How much colours differ between neighbouring pixels there, in sRGB of 0 to 1: where they do, colours of different
    photos cannot be compared."""

    points: Int[Tensor, "k"]
    """Those of the surface's spread points that it sees."""

    point_colors: Float[Tensor, "k 3"]
    """Light at these; NaN where the photo is too dark or too bright to tell."""

    point_detail: Float[Tensor, "k"]
    """How sharp the image is at these, up to a factor that is that of the place and the same for all photos: the energy
    of its gradient times pixels per unit of length, which is one over the blur of edges in pixels. NaN likewise."""


def make_camera(surface: Surface, photo: TexturePhoto, device: torch.device | str) -> Camera:
    """Draws the surface as the photo sees it."""
    K = torch.from_numpy(np.array(photo.intrinsics, dtype=np.float64)).to(device)
    cam_from_world = invert_rigid(torch.from_numpy(np.array(photo.world_from_cam, dtype=np.float64)).to(device))
    factor = min(1.0, _DEPTH_SIDE / max(photo.size))
    small = (max(1, round(photo.size[0] * factor)), max(1, round(photo.size[1] * factor)))
    K_small = resized(K, photo.size, small)
    local = transform_points(cam_from_world, surface.points)
    depth = rasterize(local.float(), surface.faces, K_small.float(), small).depth
    # A ring of pixels behind every silhouette counts as hidden, one in front of it as not clear: neither cameras nor
    # surfaces are true to the pixel.
    farthest, void = _around(depth), _around((depth == 0).float()) > 0
    nearest = -_around(-torch.where(depth > 0, depth, torch.inf))
    normals = surface.normals @ cam_from_world[:3, :3].T
    centroids = local[surface.faces].mean(dim=1)
    away = (normals * centroids).sum(dim=-1)
    plane = normals @ torch.linalg.inv(K_small)
    slope = plane[:, :2].abs().sum(dim=-1) / away.abs().clamp(min=1e-300)
    facing = (away < -_LEAST_FACING * centroids.norm(dim=-1)) & surface.sound
    slope = torch.where(facing, slope, torch.inf).float()
    mask = None if photo.mask is None else torch.from_numpy(np.ascontiguousarray(photo.mask)).bool().to(device)
    return Camera(cam_from_world, K, photo.size, nearest, farthest, void, slope, surface.open, mask)


def look(surface: Surface, photo: TexturePhoto, device: torch.device | str) -> Sight | None:
    """What a photo sees; None where that is nothing, and the photo is not even read."""
    camera = make_camera(surface, photo, device)
    facing = camera.slope.isfinite()
    points = torch.nonzero(facing[surface.spread_face]).flatten()
    local = transform_points(camera.cam_from_world, surface.spread[points]).float()
    pixels, seen, clear = camera.see(local, surface.spread_face[points])
    points, pixels, clear = points[seen], pixels[seen], clear[seen]
    if len(points) == 0:
        return None
    shown = torch.zeros(len(surface.faces), device=device)
    shown.index_add_(0, surface.spread_face[points], 0.5 + 0.5 * clear)
    candidates = torch.nonzero(facing).flatten()
    local = transform_points(camera.cam_from_world, surface.points).float()
    for corner in range(3):
        _, seen, clear_corner = camera.see(local[surface.faces[candidates, corner]], candidates)
        shown[candidates] += 0.5 * seen + 0.5 * clear_corner
    share = shown / (3 + len(surface.spread) // len(surface.faces))
    faces = torch.nonzero(share > 0).flatten()

    loaded = photo.load()
    height, width = loaded.image.shape[:2]
    matrix = loaded_from_photo(loaded, photo)
    grid = ((pixels @ matrix[:2, :2].T.to(pixels) + matrix[:2, 2].to(pixels)) + 0.5) * 2
    grid = grid / torch.tensor([width, height], device=device) - 1
    sampled = F.grid_sample(
        _small_image(loaded.image, device)[None], grid[None, None], padding_mode="border", align_corners=False
    )[0, :, 0].T
    colors, known = sampled[:, :3], clear & (sampled[:, 3] > 0.5) & (grid.abs() < 1).all(dim=1)
    resolution = float(torch.linalg.det(matrix))
    density = _density(surface, camera) * resolution
    total = torch.zeros(len(surface.faces), 5, device=device)
    ones = torch.ones_like(colors[:, :1])
    total.index_add_(0, surface.spread_face[points], torch.cat([colors, sampled[:, 5:], ones], dim=1))
    mean = total[faces, :4] / total[faces, 4:].clamp(min=1)
    return Sight(
        camera,
        faces,
        share[faces],
        resolution,
        density[faces],
        mean[:, :3],
        mean[:, 3],
        points,
        torch.where(known[:, None], colors, torch.nan),
        torch.where(known, sampled[:, 4] * density[surface.spread_face[points]].sqrt(), torch.nan),
    )


def resized(K: Float[Tensor, "3 3"], size: tuple[int, int], new: tuple[int, int]) -> Float[Tensor, "3 3"]:
    """Intrinsics of the same photo in another size."""
    scale = torch.tensor([new[0] / size[0], new[1] / size[1]], dtype=K.dtype, device=K.device)
    change = torch.diag(torch.cat([scale, torch.ones_like(scale[:1])]))
    change[:2, 2] = (scale - 1) / 2
    return change @ K


def loaded_from_photo(loaded: Photo, photo: TexturePhoto) -> Float[Tensor, "3 3"]:
    """Maps pixels (u, v, 1) of the photo as it was announced to those of the image that was read."""
    return torch.from_numpy(np.asarray(loaded.intrinsics, float) @ np.linalg.inv(np.asarray(photo.intrinsics, float)))


def _density(surface: Surface, camera: Camera) -> Float[Tensor, "f"]:
    """How large faces appear: d(pixels) = fx fy (normal * ray) / z**3 d(area)."""
    centroids = transform_points(camera.cam_from_world, surface.points[surface.faces].mean(dim=1))
    normals = surface.normals @ camera.cam_from_world[:3, :3].T
    away = -(normals * centroids).sum(dim=-1).clamp(max=0)
    return (camera.K[0, 0] * camera.K[1, 1] * away / centroids[:, 2].clamp(min=1e-9) ** 3).float()


def _small_image(
    image: UInt8[np.ndarray, "height width 3"], device: torch.device | str
) -> Float[Tensor, "channels h w"]:
    """An image in the size of depth images: its light, whether that can be trusted, energy of its detail, contrast."""
    import cv2

    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    grey = image[..., 1]
    energy = np.zeros((height, width), np.float32)
    energy[:, :-1] = cv2.absdiff(grey[:, 1:], grey[:, :-1]).astype(np.float32) ** 2
    energy[:-1] += cv2.absdiff(grey[1:], grey[:-1]).astype(np.float32) ** 2
    factor = min(1.0, _DEPTH_SIDE / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    known = np.all((small > 8) & (small < 247), axis=2)
    # In parts of the brightness: exposure does not count as sharpness.
    brightness = cv2.blur(small[..., 1], (3, 3)).astype(np.float32)
    detail = cv2.resize(energy, size, interpolation=cv2.INTER_AREA) / (brightness**2 + 1)
    contrast = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2).astype(float) / 255
    parts = np.dstack([linear_from_srgb(small), known, detail, contrast]).astype(np.float32)
    return torch.from_numpy(parts).to(device).permute(2, 0, 1)


def _around(image: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Largest value in squares of three pixels."""
    return F.max_pool2d(image[None], 3, stride=1, padding=1)[0]


def _place(
    pixels: Float[Tensor, "n 2"], size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    """Row and column, in a map of the whole photo in any resolution, of pixels of the photo."""
    scale = torch.tensor([shape[1] / size[0], shape[0] / size[1]], dtype=pixels.dtype, device=pixels.device)
    places = ((pixels + 0.5) * scale).nan_to_num(0.0).floor()
    return places[:, 1].clamp(0, shape[0] - 1).long(), places[:, 0].clamp(0, shape[1] - 1).long()
