"""Cameras as small pyramids: the apex at the camera, the base where its photo hangs."""

import colorsys
from dataclasses import dataclass

import numpy as np

from pointmap.scene import Scene
from pointmap.shapes import Float, Int, UInt8

_EDGES = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (5, 2))
"""Apex 0; base 1 to 4 from the top left clockwise; 5 marks the upper side."""


@dataclass(frozen=True)
class Frusta:
    """Pyramids of the registered cameras, in the world frame."""

    photos: Int[np.ndarray, "cameras"]
    """Which photo each belongs to."""

    corners_world: Float[np.ndarray, "cameras 6 3"]
    """Apex, then the base from the top left clockwise, then the tip of the mark over the upper side."""

    cards_world: Float[np.ndarray, "cameras 4 3"]
    """Where the working image lies on the base, clockwise from the top left: all of it unless the photo was cropped."""

    colors: UInt8[np.ndarray, "cameras 3"]
    """One colour per photo, in the order of the rainbow."""

    size: float
    """Depth of the pyramids, in scene units."""

    def segments(self) -> Float[np.ndarray, "cameras edges 2 3"]:
        """The edges as pairs of end points."""
        return self.corners_world[:, np.array(_EDGES)]


def make_frusta(scene: Scene, *, size: float | None = None) -> Frusta:
    """Pyramids with the field of view of every registered photo.

    Args:
        size: Depth in scene units; default by the scene's extent and the distances between its cameras.
    """
    photos = np.flatnonzero(scene.registered)
    size = _fitting_size(scene, photos) if size is None else size
    corners, cards = np.zeros((len(photos), 6, 3)), np.zeros((len(photos), 4, 3))
    for index, photo in enumerate(photos):
        base = _image_corners(scene.intrinsics[photo], *scene.image_sizes[photo].tolist())
        mark = (base[0] + base[1]) / 2 + 0.35 * (base[0] - base[3])
        card = _image_corners(scene.working_intrinsics[photo], *scene.depths[photo].shape[::-1])
        rotation, centre = scene.world_from_cam[photo, :3, :3], scene.world_from_cam[photo, :3, 3]
        corners[index] = size * np.concatenate([np.zeros((1, 3)), base, mark[None]]) @ rotation.T + centre
        cards[index] = size * card @ rotation.T + centre
    colors = np.array([_rainbow(photo, len(scene)) for photo in photos.tolist()], np.uint8).reshape(-1, 3)
    return Frusta(photos=photos, corners_world=corners, cards_world=cards, colors=colors, size=size)


def frusta_mesh(
    frusta: Frusta, *, thickness: float = 0.02
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "m 3"], UInt8[np.ndarray, "n 3"]]:
    """The edges as thin square rods (vertices, faces, sRGB colours): lines of one pixel vanish in many viewers.

    Args:
        thickness: Of a rod, as a fraction of the pyramid's depth.
    """
    start, end = frusta.segments().reshape(-1, 2, 3).transpose(1, 0, 2)
    along = end - start
    along = along / np.linalg.norm(along, axis=-1, keepdims=True).clip(1e-12)
    # Any direction that is not along the rod will do for its sides.
    helper = np.eye(3)[np.abs(along).argmin(axis=-1)]
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    other = np.cross(along, side)
    radius = thickness * frusta.size / 2
    ring = radius * np.stack([side + other, side - other, -side - other, -side + other], axis=1)
    vertices = np.concatenate([start[:, None] + ring, end[:, None] + ring], axis=1)
    near = np.arange(4)
    after = (near + 1) % 4
    rod = np.concatenate([np.stack([near, after, near + 4], -1), np.stack([after, after + 4, near + 4], -1)])
    faces = rod[None] + 8 * np.arange(len(start))[:, None, None]
    colors = np.repeat(frusta.colors, len(_EDGES) * 8, axis=0)
    return vertices.reshape(-1, 3), faces.reshape(-1, 3), colors


def photo_cards(
    frusta: Frusta, images: list[np.ndarray], *, pixels: int = 128
) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "m 3"], Float[np.ndarray, "n 2"], UInt8[np.ndarray, "h w 3"]]:
    """The working images on the bases of their pyramids.

    Args:
        images: The working images of all photos.
        pixels: Width and height of a thumbnail in the texture; the card restores its shape.

    Returns:
        Vertices, faces, texture coordinates (origin bottom left), texture.
    """
    import cv2

    across = max(1, int(np.ceil(np.sqrt(len(frusta.photos)))))
    down = max(1, int(np.ceil(len(frusta.photos) / across)))
    texture = np.zeros((down * pixels, across * pixels, 3), np.uint8)
    coordinates = np.zeros((len(frusta.photos), 4, 2))
    # Half a pixel inside, so that neighbours do not shine through.
    card = np.array([[0.5, 0.5], [pixels - 0.5, 0.5], [pixels - 0.5, pixels - 0.5], [0.5, pixels - 0.5]])
    for index, photo in enumerate(frusta.photos):
        top, left = np.array(divmod(index, across)) * pixels
        texture[top : top + pixels, left : left + pixels] = cv2.resize(
            images[photo], (pixels, pixels), interpolation=cv2.INTER_AREA
        )
        xy = (card + np.array([left, top])) / texture.shape[1::-1]
        coordinates[index] = np.stack([xy[:, 0], 1 - xy[:, 1]], axis=-1)
    quad = np.array([[0, 3, 1], [1, 3, 2]])
    faces = quad[None] + 4 * np.arange(len(frusta.photos))[:, None, None]
    return frusta.cards_world.reshape(-1, 3), faces.reshape(-1, 3), coordinates.reshape(-1, 2), texture


def _image_corners(intrinsics: np.ndarray, width: int, height: int) -> np.ndarray:
    """(4, 3) corners of an image in the camera frame at z = 1, clockwise from the top left."""
    pixels = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
    xy = (pixels - intrinsics[:2, 2]) / intrinsics[[0, 1], [0, 1]]
    return np.concatenate([xy, np.ones((4, 1))], axis=1)


def _fitting_size(scene: Scene, photos: np.ndarray) -> float:
    """Two fifths of the typical distance to the next camera, within 4 % and 10 % of the typical depth."""
    known = [scene.depths[photo][np.isfinite(scene.depths[photo]) & (scene.depths[photo] > 0)] for photo in photos]
    depths = [np.median(depth) for depth in known if depth.size]
    typical = float(np.median(depths)) if depths else 1.0
    centres = scene.world_from_cam[photos, :3, 3]
    if len(centres) < 2:
        return 0.1 * typical
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1) + np.diag(np.full(len(centres), np.inf))
    return float(np.clip(0.4 * np.median(distances.min(axis=1)), 0.04 * typical, 0.1 * typical))


def _rainbow(index: int, count: int) -> list[int]:
    return [round(255 * channel) for channel in colorsys.hsv_to_rgb(0.85 * index / max(count, 1), 0.75, 0.95)]
