"""Texels coloured from photos, one photo after the other."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.fusion.texture.blend import Share
from pointmap.fusion.texture.charts import PADDING, Charts
from pointmap.fusion.texture.sights import Sight, TexturePhoto, loaded_from_photo
from pointmap.fusion.texture.surface import Surface
from pointmap.geometry.rasterize import rasterize_flat
from pointmap.geometry.transforms import transform_points
from pointmap.images.srgb import linear_from_srgb, srgb_from_linear
from pointmap.scene import Photo
from pointmap.shapes import Bool, Float, Int, UInt8

_UNCLEAR = 1e-4
"""What a photo shows at a silhouette counts so much: less than what any other shows clearly."""
_TEXELS = 1 << 20
"""So many are worked on at a time."""


class Canvas:
    """The texels that faces cover, and the mean of what photos say of them."""

    def __init__(self, surface: Surface, charts: Charts, device: torch.device | str) -> None:
        corners = torch.from_numpy(charts.texels[charts.faces] - 0.5).to(device)
        raster = rasterize_flat(corners.float(), charts.size)
        self.size = charts.size
        self.places: Int[Tensor, texels] = torch.nonzero(raster.faces.flatten() >= 0).flatten()
        self.faces: Int[Tensor, texels] = raster.faces.flatten()[self.places].int()
        self.shares: Float[Tensor, "texels 3"] = raster.barycentric.view(-1, 3)[self.places]
        self.colors: Float[Tensor, "texels 3"] = torch.zeros_like(self.shares)
        self.weights: Float[Tensor, texels] = torch.zeros_like(self.shares[:, 0])
        sides = corners[:, 1:] - corners[:, :1]
        covered = (sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).abs() / 2
        self._density = covered.float() / surface.areas.clamp(min=1e-30).float()
        self._surface = surface

    def add(
        self, photo: TexturePhoto, sight: Sight, share: Share, gain: Float[Tensor, "3"], device: torch.device | str
    ) -> None:
        """Read a photo and add its share."""
        row = torch.full((len(self._surface.faces),), -1, dtype=torch.int32, device=device)
        row[share.faces] = torch.arange(len(share.faces), dtype=torch.int32, device=device)
        taken = torch.nonzero(row[self.faces] >= 0).flatten()
        if len(taken) == 0:
            return
        loaded = photo.load()
        matrix = loaded_from_photo(loaded, photo).float().to(device)
        images = _Pyramid(loaded, device)
        density = torch.zeros(len(self._surface.faces), device=device)
        density[sight.faces] = sight.density
        finer = (density[share.faces] / self._density[share.faces].clamp(min=1e-30)).clamp(min=1e-6)
        level = (finer.log2() / 2).round().clamp(min=0).long()
        local = transform_points(sight.camera.cam_from_world, self._surface.points).float()
        corners = local[self._surface.faces[share.faces]]
        for texels in taken.split(_TEXELS):
            rows, at = row[self.faces[texels]].long(), self.shares[texels]
            points = (at[:, None] @ corners[rows])[:, 0]
            pixels, seen, clear = sight.camera.see(points, share.faces[rows])
            pixels = pixels @ matrix[:2, :2].T + matrix[:2, 2]
            seen &= images.inside(pixels)
            texels, rows, at, pixels, clear = (part[seen] for part in (texels, rows, at, pixels, clear))
            color = srgb_from_linear(images.sample(pixels, level[rows]) * gain)
            color += (at[:, None] @ share.offsets[rows])[:, 0]
            weight = (at * share.weights[rows]).sum(dim=1) * torch.where(clear, 1.0, _UNCLEAR)
            self.colors[texels] += weight[:, None] * color
            self.weights[texels] += weight

    def finish(self, point_colors: Float[Tensor, "n 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """The texture, with colours of the surface's points (sRGB, 0 to 1) where no photo had any."""
        width, height = self.size
        texture = np.zeros((height * width, 3), np.uint8)
        for texels in torch.arange(len(self.places), device=self.places.device).split(_TEXELS):
            weight = self.weights[texels, None]
            corners = point_colors[self._surface.faces[self.faces[texels].long()]]
            own = (self.shares[texels, None] @ corners)[:, 0]
            color = torch.where(weight > 0, self.colors[texels] / weight.clamp(min=1e-30), own)
            texture[self.places[texels].cpu().numpy()] = (color * 255).round().clamp(0, 255).byte().cpu().numpy()
        covered = np.zeros(height * width, bool)
        covered[self.places.cpu().numpy()] = True
        return grown(texture.reshape(height, width, 3), covered.reshape(height, width), 2 * PADDING)


class _Pyramid:
    """A photo in light, in halves of its size, for texels that are larger than its pixels."""

    def __init__(self, photo: Photo, device: torch.device | str) -> None:
        image = torch.from_numpy(linear_from_srgb(photo.image)).to(device).permute(2, 0, 1)[None]
        self._levels = [image]
        self._size = torch.tensor([image.shape[3], image.shape[2]], device=device)

    def inside(self, pixels: Float[Tensor, "n 2"]) -> Bool[Tensor, "n"]:
        return ((pixels >= -0.5) & (pixels <= self._size - 0.5)).all(dim=-1)

    def sample(self, pixels: Float[Tensor, "n 2"], levels: Int[Tensor, "n"]) -> Float[Tensor, "n 3"]:
        """Light at pixels (u, v) of the photo, each in the image halved so many times."""
        colors = torch.zeros(len(pixels), 3, device=pixels.device)
        for level, chosen in _each(levels):
            image = self._halved(level)
            factor = 2 ** min(level, len(self._levels) - 1)
            size = torch.tensor([image.shape[3], image.shape[2]], device=pixels.device)
            grid = (pixels[chosen] + 0.5) * (2 / (size * factor)) - 1
            sampled = F.grid_sample(image, grid[None, None], padding_mode="border", align_corners=False)
            colors[chosen] = sampled[0, :, 0].T
        return colors

    def _halved(self, level: int) -> Float[Tensor, "1 3 h w"]:
        while len(self._levels) <= level and min(self._levels[-1].shape[2:]) >= 4:
            self._levels.append(F.avg_pool2d(self._levels[-1], 2))
        return self._levels[min(level, len(self._levels) - 1)]


def _each(levels: Int[Tensor, "n"]) -> Iterator[tuple[int, Int[Tensor, "k"]]]:
    for level in levels.unique().tolist():
        yield level, torch.nonzero(levels == level).flatten()


def filled_points(surface: Surface, colors: Float[Tensor, "f 3"], known: Bool[Tensor, "f"]) -> Float[Tensor, "n 3"]:
    """A colour for every point of the surface: the mean of known faces around it, smooth over what is unknown."""
    counts = surface.point_sum(known.to(colors)[:, None])
    sums = surface.point_sum(torch.where(known[:, None], colors, 0.0))
    given = counts[:, 0] > 0
    if not bool(given.any()):
        return torch.full_like(sums, 128 / 255)
    from scipy.spatial import KDTree

    filled = sums / counts.clamp(min=1)
    open_points = torch.nonzero(~given & surface.points.isfinite().all(dim=1)).flatten()
    if len(open_points):
        near = KDTree(surface.points[given].cpu().numpy()).query(surface.points[open_points].cpu().numpy())[1]
        filled[open_points] = filled[given][torch.from_numpy(near).to(filled.device)]
        around = surface.point_sum(torch.ones_like(counts[:1]).expand(len(surface.faces), 1)).clamp(min=1)
        for _ in range(30):
            smooth = surface.point_sum(surface.face_mean(filled)) / around
            filled[open_points] = smooth[open_points]
    return filled


def grown(
    image: UInt8[np.ndarray, "height width 3"], covered: Bool[np.ndarray, "height width"], steps: int
) -> UInt8[np.ndarray, "height width 3"]:
    """The colours carried over their border: some texels as they are, beyond that ever more blurred.

    So neither bilinear sampling at a chart's edge nor smaller mip levels mix in what is between the charts.
    """
    import cv2

    height, width = covered.shape
    if not covered.any():
        return np.full_like(image, 128)
    image, known = image.copy(), covered.astype(np.uint8)
    for _ in range(steps):
        ring = np.flatnonzero(cv2.dilate(known, np.ones((3, 3), np.uint8)).ravel() > known.ravel())
        row, column = np.divmod(ring, width)
        total, count = np.zeros((len(ring), 3), np.float32), np.zeros((len(ring), 1), np.float32)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                y, x = np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)
                there = known[y, x, None].astype(np.float32)
                total += there * image[y, x]
                count += there
        image[row, column] = np.rint(total / count).astype(np.uint8)
        known[row, column] = 1
    return np.where(known[..., None] > 0, image, _pushed(image * known[..., None], known))


def _pushed(image: UInt8[np.ndarray, "height width 3"], known: UInt8[np.ndarray, "height width"]) -> np.ndarray:
    """What is unknown, from the mean of what is known in ever larger squares (pull-push)."""
    import cv2

    height, width = known.shape
    sums, counts = [_halved(image)], [_halved(known[..., None])]
    while max(sums[-1].shape[:2]) > 1:
        sums.append(_halved(sums[-1]))
        counts.append(_halved(counts[-1]))
    filled = sums[-1] / np.maximum(counts[-1], 1)
    for total, count in zip(reversed(sums), reversed(counts), strict=True):
        coarse = cv2.resize(filled, total.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        filled = np.where(count > 0, total / np.maximum(count, 1), coarse)
    return cv2.resize(np.rint(filled).astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)[
        :height, :width
    ]


def _halved(image: np.ndarray) -> np.ndarray:
    """Sums over squares of four pixels, in float32; beyond the border are zeros."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)))
    parts = [padded[y::2, x::2].astype(np.float32) for y in (0, 1) for x in (0, 1)]
    return sum(parts[1:], start=parts[0])
