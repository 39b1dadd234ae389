"""RobustMVD, in small: one sample of each data set, three photos with the key view in the middle."""

import json
from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

from pointmap.geometry.conventions import resized_intrinsics

SETS = ("eth3d", "kitti", "dtu", "scannet", "tanks_and_temples")
KEY = 1
SCENES = {f"{name.split('_')[0]}{more}": (f"{name}+000",) for name in SETS for more in ("", "-posed")}
"""Of settings."""
TOLERANCE = {"absrel": 2e-3}
"""KITTI's depth maps count in steps of 4 mm."""


def world() -> World:
    """Three photos."""
    return photograph(3, square=False)


def write(root: Path) -> tuple[str, ...]:
    """The first sample of each data set; returns that of the first one."""
    made = world()
    depth = made.depths[KEY].copy()
    depth[:4] = 0
    steps = {"kitti": 256, "scannet": 1000}
    for name in SETS:
        base = root / name / "base"
        base.mkdir(parents=True)
        for index, image in enumerate(made.images):
            Image.fromarray(image).save(base / f"{index}.png")
        if name == "eth3d":
            np.where(depth > 0, depth, np.inf).astype("<f4").tofile(base / "depth")
        elif name == "dtu":
            header = f"Pf\n{depth.shape[1]} {depth.shape[0]}\n-1.0\n".encode()
            (base / "depth").write_bytes(header + (1000 * depth[::-1]).astype("<f4").tobytes())
        elif name == "tanks_and_temples":
            with (base / "depth").open("wb") as file:
                np.savez(file, depth)
        else:
            Image.fromarray((depth * steps[name]).round().astype(np.uint16)).save(base / "depth", "PNG")
        write_list(root / f"{name}.robustmvd.json", [row(made, half=name == "scannet")])
    return ("eth3d+000",)


def row(made: World, *, half: bool = False) -> dict:
    """A sample; its intrinsics are of photos of half the size if asked for. Its reference is the second camera."""
    K = made.intrinsics
    entry = {"base": "base", "images": ["0.png", "1.png", "2.png"], "key": KEY, "depth": "depth"}
    if half:
        K = np.stack([resized_intrinsics(each, (64, 48), (32, 24)) for each in K])
        entry["size"] = [32, 24]
    poses = made.cam_from_world @ made.world_from_cam[KEY]
    return entry | {"intrinsics": K.tolist(), "cam_from_ref": poses.tolist()}


def write_list(path: Path, rows: list) -> None:
    """As `eval/benchmarks/robustmvd.py` says."""
    path.write_text(json.dumps({"samples": rows}))
