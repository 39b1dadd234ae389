"""Tasks made of the miniature world."""

from pathlib import Path
from typing import Any

import numpy as np
from miniature_world import World
from PIL import Image

from pointmap.eval.task import Inputs, Task, Truth


def room_task(world: World, folder: Path, *, name: str = "room", unit: str = "m", **inputs: Any) -> Task:
    """A task with the photos as PNG files in `folder`, and with everything true."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for index, image in enumerate(world.images):
        photos.append(folder / f"{index:03d}.png")
        Image.fromarray(image).save(photos[-1])
    depths = tuple((lambda depth=depth: depth) for depth in world.depths)
    truth = Truth(
        world.intrinsics,
        world.world_from_cam,
        depths,
        unit=unit,
        cloud=lambda: np.concatenate(world.points()).reshape(-1, 3),
    )
    return Task(name, Inputs(tuple(photos), **inputs), truth)
