"""A set of photos with its cameras.json."""

from pathlib import Path

import numpy as np
from miniature_world import photograph
from PIL import Image

from pointmap.export.plain_json import json_bytes

SCENES = {"sparse": ("room+3-0",)}


def write(
    root: Path, *, sets: tuple[str, ...] = ("room",), views: int = 5, size: tuple[int, int] = (48, 64)
) -> tuple[str, ...]:
    """Sets of five photos each, with depth in millimetres."""
    for seed, name in enumerate(sets):
        world = photograph(views, size, seed=seed)
        (root / name / "images").mkdir(parents=True)
        entries = []
        for index, (image, depth, K) in enumerate(zip(world.images, world.depths, world.intrinsics, strict=True)):
            Image.fromarray(image).save(root / name / f"images/{index}.png")
            Image.fromarray((1000 * depth).round().astype(np.uint16)).save(root / name / f"images/{index}-depth.png")
            camera = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "width": size[1], "height": size[0]}
            files = {"file": f"images/{index}.png", "depth": f"images/{index}-depth.png", "depth_scale": 0.001}
            entries.append({**files, **camera, "cam_from_world": world.cam_from_world[index]})
        content = {"set": name, "world_unit": "metre", "images": entries}
        (root / name / "cameras.json").write_bytes(json_bytes(content))
    return sets
