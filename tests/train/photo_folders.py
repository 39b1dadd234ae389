"""Folders of posed photos whose truth is known."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from worlds import NUM_TEXTURES, textures

from pointmap.geometry.transforms import invert_rigid
from pointmap.train.habits import TOUR
from pointmap.train.random import Random
from pointmap.train.views import SceneViews, make_views

HEIGHT, WIDTH = 48, 64


@cache
def rendered_views(count: int = 4, seed: int = 3) -> SceneViews:
    """A room from several sides, principal points off the centre."""
    settings = replace(TOUR, off_centre=1.0)
    return make_views(count, (HEIGHT, WIDTH), Random(seed), textures(), NUM_TEXTURES, settings=settings)


def write_photos(folder: Path, views: SceneViews, *, with_depth: bool = True, **changes) -> Path:
    """Write views as a folder of photos.

    Args:
        changes: Of every entry of `cameras.json`.
    """
    (folder / "images").mkdir(parents=True)
    entries = []
    for number, image in enumerate(views.images):
        Image.fromarray(image.numpy()).save(folder / f"images/{number}.png")
        height, width = image.shape[:2]
        K = views.intrinsics[number].double()
        entry = {"file": f"images/{number}.png", "width": width, "height": height, "distortion": None}
        entry |= {"fx": K[0, 0].item(), "fy": K[1, 1].item(), "cx": K[0, 2].item(), "cy": K[1, 2].item()}
        entry["cam_from_world"] = invert_rigid(views.world_from_cam[number].double()).tolist()
        if with_depth:
            np.save(folder / f"{number}.npy", views.depths[number].float().numpy())
            entry["depth"] = f"{number}.npy"
        entries.append(entry | changes)
    write_cameras(folder, entries)
    return folder


def read_cameras(folder: Path) -> list[dict]:
    return json.loads((folder / "cameras.json").read_text())["images"]


def write_cameras(folder: Path, entries: list[dict], **about_all: str) -> None:
    (folder / "cameras.json").write_text(json.dumps({"images": entries} | about_all))


def facing_a_wall(offsets: list[float], distance: float = 2.0) -> SceneViews:
    """Photos of a plane, moved to the right by so many metres; at 1 m two share half of what they see.

    Their colours say where on the wall a pixel looks: red 40 per metre to the right, green 40 per metre down.
    """
    count = len(offsets)
    K = torch.tensor([[WIDTH * distance / 2, 0, 40.0], [0, WIDTH * distance / 2, 20.0], [0, 0, 1]])
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    world_from_cam = torch.eye(4).repeat(count, 1, 1)
    world_from_cam[:, 0, 3] = torch.tensor(offsets)
    x = (column - 40.0) / K[0, 0] * distance + torch.tensor(offsets)[:, None, None]
    y = ((row - 20.0) / K[1, 1] * distance).expand_as(x)
    images = torch.stack([40 * x + 100, 40 * y + 100, torch.full_like(x, 50.0)], dim=-1)
    return SceneViews(
        images=images.round().clamp(0, 255).to(torch.uint8),
        depths=torch.full((count, HEIGHT, WIDTH), distance),
        intrinsics=K.repeat(count, 1, 1),
        world_from_cam=world_from_cam,
        overlap=torch.eye(count),
    )
