"""A figure on a turntable, rendered with its truth: photos, cameras, depths, masks and surface.

Either the figure turns before a camera that stands still, in a room full of texture ("turning"), before a plain
backdrop ("backdrop"), or the camera walks around the figure and the room with it ("walking"). The lamps stand still in
all of them, so that shading and shadows move over a figure that turns.
"""

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, UInt8
from pointmap.train.layout import BOXES, CYLINDERS, KINDS, NUM_OBJECTS, ROOM
from pointmap.train.random import Random, axis_rotation
from pointmap.train.renderer import render
from pointmap.train.scenes import Scenes, sample_scenes
from pointmap.train.textures import make_textures
from pointmap.train.views import SceneViews

from ..ground_truth import GroundTruth, load_ground_truth, write_set

if TYPE_CHECKING:
    import trimesh

Kind = Literal["turning", "backdrop", "walking"]
_TEXTURES, _TEXTURE_SEED = 48, 9_192
_TABLE = 0.75
"""Height of the table's top in metres; the figure stands on it."""


@dataclass(frozen=True)
class _Solid:
    kind: str
    x: float
    y: float
    """Height of its middle above the table."""
    z: float
    half: tuple[float, float, float]
    tilt_deg: float = 0.0
    """About z."""


FIGURE = (
    _Solid("cylinder", 0.00, 0.025, 0.00, (0.110, 0.025, 0.110)),
    _Solid("cylinder", 0.00, 0.130, 0.00, (0.078, 0.090, 0.062)),
    _Solid("ball", 0.015, 0.260, -0.01, (0.055, 0.060, 0.055)),
    _Solid("cone", 0.015, 0.325, -0.01, (0.052, 0.040, 0.052)),
    _Solid("cylinder", 0.100, 0.170, 0.01, (0.022, 0.080, 0.022), -40.0),
    _Solid("box", -0.085, 0.130, -0.03, (0.030, 0.055, 0.040), 15.0),
    _Solid("cylinder", -0.03, 0.078, 0.070, (0.028, 0.028, 0.028), 70.0),
)
"""What turns; it fills a cylinder of radius 0.15 m."""
HEIGHT = 0.365
"""Of the figure, in metres."""

_SURROUNDINGS = (
    _Solid("box", 0.0, -0.02, 0.0, (0.75, 0.02, 0.55)),
    _Solid("box", -0.62, 0.12, 0.38, (0.10, 0.12, 0.08)),
    _Solid("cylinder", 0.60, 0.15, 0.42, (0.07, 0.15, 0.07)),
    _Solid("box", 0.42, 0.05, 0.46, (0.10, 0.05, 0.05)),
    _Solid("box", -0.9, 0.3, 1.35, (0.35, 1.05, 0.15)),
    _Solid("box", 0.8, 0.0, 1.40, (0.45, 0.75, 0.12)),
)
"""What stands still; the first is the table's top."""


@dataclass(frozen=True)
class TurntableSet:
    """Photos in the frame of the figure, in metres, y down; its axis is x = z = 0, the table y = -0.75."""

    views: SceneViews
    masks: Bool[Tensor, "views h w"]
    """True where the figure is seen."""


def make_turntable(
    kind: Kind, *, count: int = 16, size: tuple[int, int] = (480, 640), seed: int = 21, chunk: int = 4
) -> TurntableSet:
    """Photos at equal steps all around the figure, from slightly above.

    Args:
        size: Height and width.
        chunk: Photos that are rendered together.
    """
    random = Random(seed)
    texels = make_textures(_TEXTURES, _TEXTURE_SEED)
    still = _world(random, plain=kind == "backdrop")
    turns = axis_rotation(1, torch.arange(count) * (2 * math.pi / count))
    camera = _camera(pitch_deg=18.0, distance=0.95)
    height, width = size
    focal = 1.55 * width
    K = torch.tensor([[focal, 0, width / 2 - 0.5 + 7], [0, focal, height / 2 - 0.5 - 5], [0, 0, 1]]).expand(count, 3, 3)
    world_from_cam = torch.eye(4).repeat(count, 1, 1)
    world_from_cam[:, :3] = turns.mT @ camera[:3]
    figure = torch.zeros(NUM_OBJECTS, dtype=torch.bool)
    figure[_slots(FIGURE)] = True
    images, depths, masks = [], [], []
    for part in torch.arange(count).split(chunk):
        worlds = _repeated(still, len(part))
        if kind != "walking":
            worlds = _turned(worlds, figure, turns[part])
        seen_from = world_from_cam[part] if kind == "walking" else camera.expand(len(part), 4, 4)
        rendering = render(worlds, seen_from[:, None], K[part, None], size, texels, _TEXTURES)
        empty = render(
            replace(worlds, active=worlds.active & ~figure), seen_from[:, None], K[part, None], size, texels, _TEXTURES
        )
        images.append(_developed(rendering.images[:, 0], random))
        depths.append(rendering.depths[:, 0])
        masks.append((rendering.depths - empty.depths).abs()[:, 0] > 1e-5)
    views = SceneViews(torch.cat(images), torch.cat(depths), K, world_from_cam, torch.zeros(count, count))
    return TurntableSet(views, torch.cat(masks))


def turntable_set(folder: Path, kind: Kind, *, count: int = 16) -> tuple[GroundTruth, list[np.ndarray]]:
    """The set as files, rendered unless it is there, and its masks (H, W)."""
    place = folder / f"turntable-{kind}-{count}"
    if not (place / "cameras.json").is_file():
        made = make_turntable(kind, count=count)
        place.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(place / "masks.npz", masks=made.masks.numpy())
        write_set(made.views, place)
    with np.load(place / "masks.npz") as content:
        return load_ground_truth(place), list(content["masks"])


def true_mesh() -> "trimesh.Trimesh":
    """All solids of the figure, which overlap, in the frame of the photos."""
    import trimesh

    shapes = {
        "box": trimesh.creation.box((2, 2, 2)),
        "ball": trimesh.creation.icosphere(4),
        "cylinder": _upright(trimesh.creation.cylinder(1, 2, sections=96)),
        # trimesh's has its base at z = 0; here the apex is at y = -1.
        "cone": _upright(trimesh.creation.cone(1, 2, sections=96).apply_translation((0, 0, -1))),
    }
    parts = []
    for solid in FIGURE:
        centre, rotation = _placed(solid)
        mesh = shapes[solid.kind].copy()
        mesh.vertices = (mesh.vertices * np.array(solid.half)) @ rotation.double().numpy().T + centre.double().numpy()
        parts.append(mesh)
    return trimesh.util.concatenate(parts)


def surface_points(count: int = 20_000, seed: int = 0) -> Float[np.ndarray, "n 3"]:
    """Points on what one can see of the figure: not within another solid, not underneath."""
    import trimesh

    mesh = true_mesh()
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=seed)
    inside = np.zeros(len(points), bool)
    for solid in FIGURE:
        centre, rotation = _placed(solid)
        local = (points - centre.double().numpy()) @ rotation.double().numpy() / np.array(solid.half)
        inside |= _within(solid.kind, local)
    down = mesh.face_normals[faces][:, 1] > 0.99
    on_table = down & (points[:, 1] > -_TABLE - 1e-4)
    return np.asarray(points[~inside & ~on_table])


def _within(kind: str, local: np.ndarray) -> np.ndarray:
    """Whether points of a solid's unit frame are well inside it."""
    x, y, z = local.T
    limit = 1 - 1e-3
    if kind == "box":
        return (np.abs(local) < limit).all(axis=1)
    if kind == "ball":
        return (local**2).sum(axis=1) < limit**2
    radius = np.hypot(x, z)
    return (np.abs(y) < limit) & (radius < (limit if kind == "cylinder" else limit * (y + 1) / 2))


def _upright(mesh: "trimesh.Trimesh") -> "trimesh.Trimesh":
    """From z up to y down."""
    mesh.vertices = mesh.vertices[:, [0, 2, 1]] * [1, -1, 1]
    return mesh


def _placed(solid: _Solid) -> tuple[Tensor, Tensor]:
    """Centre and rotation in the world."""
    centre = torch.tensor([solid.x, -_TABLE - solid.y, solid.z])
    return centre, axis_rotation(2, torch.tensor(math.radians(solid.tilt_deg)))


def _slots(solids: tuple[_Solid, ...]) -> list[int]:
    """Slots of their kinds: the figure's from the first, the surroundings' from the tenth."""
    start = 10 if solids is _SURROUNDINGS else 0
    next_free = {kind: slots.start + (start if slots in (BOXES, CYLINDERS) else 0) for kind, slots in KINDS.items()}
    taken = []
    for solid in solids:
        taken.append(next_free[solid.kind])
        next_free[solid.kind] += 1
    return taken


def _world(random: Random, *, plain: bool) -> Scenes:
    """A lit room with the figure on a table, and things around it unless the backdrop is plain."""
    scene = sample_scenes(1, random, _TEXTURES)
    while bool(scene.outdoor):
        scene = sample_scenes(1, random, _TEXTURES)
    scene = Scenes(**{field.name: getattr(scene, field.name).clone() for field in fields(scene)})
    scene.active[:] = False
    for solids in (FIGURE, _SURROUNDINGS[:1] if plain else _SURROUNDINGS):
        for solid, slot in zip(solids, _slots(solids if len(solids) > 1 else _SURROUNDINGS), strict=False):
            scene.centre[0, slot], rotation = _placed(solid)
            scene.half_size[0, slot] = torch.tensor(solid.half)
            scene.object_from_world[0, slot] = rotation.mT / scene.half_size[0, slot][:, None]
            scene.active[0, slot] = True
            small = solids is FIGURE
            # Once around: other solids than cylinders and cones show their texture again on adjacent sides.
            tiles = 1 / (2 * math.pi * solid.half[0]) if small else float(random.uniform(1.1, 3.3, 1))
            scene.tiles_per_metre[0, slot] = tiles
            scene.contrast[0, slot] = 0.9
            scene.texture[0, slot] = int(random.integers(0, _TEXTURES, 1))
            scene.tint[0, slot] = random.uniform(0.35, 0.8, 3)
    room = torch.tensor([2.0, 1.3, 1.7])
    scene.half_size[0, ROOM], scene.centre[0, ROOM] = room, room * torch.tensor([0.0, -1.0, 0.0])
    scene.object_from_world[0, ROOM] = torch.diag(1 / room)
    walls = slice(NUM_OBJECTS, None)
    scene.contrast[0, walls] = 0.8
    if plain:
        scene.contrast[0, walls], scene.contrast[0, _slots(_SURROUNDINGS)[0]] = 0.0, 0.0
        scene.tint[0, walls], scene.tint[0, _slots(_SURROUNDINGS)[0]] = 0.75, 0.75
    scene.gloss[:], scene.clear[:], scene.hilly[:], scene.headlight[:] = 0, 0, False, 0
    scene.light[0, 0] = torch.tensor([-1.2, -2.3, -1.0])
    scene.light[0, 1] = torch.tensor([1.3, -2.2, -0.8])
    scene.light_color[0] = torch.tensor([[0.9, 0.86, 0.8], [0.35, 0.37, 0.4], [0.0, 0.0, 0.0]])
    scene.light_radius[0], scene.falloff[0] = 0.2, 0.3
    scene.ambient[0] = torch.tensor([[0.22], [0.38]]).expand(2, 3)
    scene.exposure[0] = 0.0
    scene.interest[0] = torch.tensor([0.0, -_TABLE - 0.18, 0.0, 0.3])
    return scene


def _developed(images: Float[Tensor, "photos h w 3"], random: Random) -> UInt8[Tensor, "photos h w 3"]:
    """With noise, and an exposure that follows what is seen a little, as photos have."""
    gain = random.uniform(0.96, 1.04, len(images), 1, 1, 1)
    return ((images * gain + 0.008 * random.normal(*images.shape)).clamp(0, 1) * 255).round().to(torch.uint8)


def _camera(*, pitch_deg: float, distance: float) -> Float[Tensor, "4 4"]:
    """world_from_cam of a camera that looks at the figure's middle along +z, and down."""
    pitch = torch.tensor(math.radians(pitch_deg))
    pose = torch.eye(4)
    pose[:3, :3] = axis_rotation(0, -pitch)
    middle = torch.tensor([0.0, -_TABLE - 0.17, 0.0])
    pose[:3, 3] = middle - distance * pose[:3, 2]
    return pose


def _turned(worlds: Scenes, which: Bool[Tensor, "objects"], turns: Float[Tensor, "scenes 3 3"]) -> Scenes:
    """The worlds with some objects turned about the vertical through the origin."""
    slots = torch.cat([which, torch.tensor([False])]).nonzero()[:, 0]
    centre, linear = worlds.centre.clone(), worlds.object_from_world.clone()
    centre[:, slots] = (turns[:, None] @ centre[:, slots, :, None])[..., 0]
    linear[:, slots] = linear[:, slots] @ turns[:, None].mT
    return replace(worlds, centre=centre, object_from_world=linear)


def _repeated(scene: Scenes, count: int) -> Scenes:
    return scene[torch.zeros(count, dtype=torch.long)]
