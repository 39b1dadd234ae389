"""Two sequences of RealEstate10K with frames of different endings; a third one's video has disappeared."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

COUNT = 14
SIZE = (36, 64)
SCENES_THERE = ("000c3ab189999a83", "0a3b5fb184936a83")
TOLERANCE: dict[str, float] = {}


def world(sequence: int = 0) -> World:
    return photograph(COUNT, SIZE, seed=sequence, square=False, step_deg=4)


def timestamp(index: int) -> int:
    """Of a frame, in microseconds; names do not sort as numbers do."""
    return 966_667 * (index + 5)


def write(root: Path) -> tuple[str, ...]:
    """Cameras of three sequences, frames of two, and the lists."""
    for number, name in enumerate(SCENES_THERE):
        truth = world(number)
        frames = root / "frames/test" / name
        frames.mkdir(parents=True)
        for i, image in enumerate(truth.images):
            Image.fromarray(image).save(frames / f"{timestamp(i)}.{'png' if number else 'jpg'}")
        _cameras(root / f"test/{name}.txt", truth)
    _cameras(root / "test/ffffffffffffffff.txt", world())
    (root / "re10k_test_1719.txt").write_text("\n".join(SCENES_THERE))
    (root / "re10k_test_1800.txt").write_text("\n".join(reversed(SCENES_THERE)))
    return SCENES_THERE


def _cameras(file: Path, truth: World) -> None:
    file.parent.mkdir(exist_ok=True)
    lines = ["https://www.youtube.com/watch?v=none"]
    height, width = SIZE
    for i, (K, cam_from_world) in enumerate(zip(truth.intrinsics, truth.cam_from_world, strict=True)):
        inner = [K[0, 0] / width, K[1, 1] / height, (K[0, 2] + 0.5) / width, (K[1, 2] + 0.5) / height, 0, 0]
        numbers = np.array([*inner, *cam_from_world[:3].ravel()], np.float64)
        lines.append(f"{timestamp(i)} " + " ".join(f"{number:.12f}" for number in numbers))
    file.write_text("\n".join(lines) + "\n")
