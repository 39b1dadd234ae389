"""A scan of BlendedMVS."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

SCAN = "5c189f2326173c3a09ed7ef3"
COUNT = 6
SIZE = (36, 48)
UNIT = 3.7
"""Units of the scan to a metre of the world."""
PAIRS = {0: (1, 2, 3), 1: (2, 0, 3), 2: (1, 3), 3: (2, 4, 1, 5), 4: (5, 3), 5: ()}
TOLERANCE: dict[str, float] = {}


def world() -> World:
    return photograph(COUNT, SIZE, step_deg=5)


def write(root: Path) -> tuple[str, ...]:
    """Photos, also masked ones, cameras, source views and depth maps."""
    truth = world()
    folder = root / SCAN
    for name in ("blended_images", "cams", "rendered_depth_maps"):
        (folder / name).mkdir(parents=True)
    for i, image in enumerate(truth.images):
        Image.fromarray(image).save(folder / f"blended_images/{i:08d}.jpg", quality=95)
        Image.fromarray(image // 2).save(folder / f"blended_images/{i:08d}_masked.jpg")
        cam_from_world = truth.cam_from_world[i]
        cam_from_world[:3, 3] *= UNIT
        (folder / f"cams/{i:08d}_cam.txt").write_text(
            f"extrinsic\n{_rows(cam_from_world)}\nintrinsic\n{_rows(truth.intrinsics[i])}\n1.2 0.01 128.0 9.9\n"
        )
        depth = (UNIT * truth.depths[i]).astype("<f4")
        depth[0, :5] = 0
        header = f"Pf\n{SIZE[1]} {SIZE[0]}\n-1.0\n".encode()
        (folder / f"rendered_depth_maps/{i:08d}.pfm").write_bytes(header + depth[::-1].tobytes())
    lines = [str(len(PAIRS))]
    for photo, sources in PAIRS.items():
        lines += [str(photo), " ".join([str(len(sources)), *(f"{source} 99.5" for source in sources)])]
    (folder / "cams/pair.txt").write_text("\n".join(lines) + "\n")
    return tuple(f"{SCAN}+{number}" for number in range(2))


def _rows(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(repr(float(value)) for value in row) for row in matrix) + "\n"
