"""A category of CO3Dv2 with one sequence that takes part and two that do not."""

import gzip
import json
from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image

COUNT = 52
SIZE = (24, 36)
SCALE = 1.75
"""Of the depth maps' numbers."""
STILL = 3
"""This frame's depth mask is empty in its first row."""

TOLERANCE: dict[str, float] = {}


def world() -> World:
    """Frames of the sequence `110_1_2`, in the order of their numbers."""
    return photograph(COUNT, SIZE, square=False, step_deg=1.5)


def write(root: Path) -> tuple[str, ...]:
    """One sequence of apples; `dull` has a low quality score, `short` too few frames."""
    truth = world()
    frames = [_frame(root, truth, i) for i in range(COUNT)]
    # The set list is in another order than the annotations, and numbers are not those of the files.
    order = [(7 * i) % COUNT for i in range(COUNT) if (7 * i) % COUNT != 10]
    listed = [["110_1_2", 2 * i, frames[i]["image"]["path"]] for i in order]
    others = [[name, i, f"apple/{name}/images/x.jpg"] for name in ("dull", "short") for i in range(60)]
    folder = root / "apple"
    (folder / "set_lists").mkdir(parents=True)
    test = listed + [entry for entry in others if entry[0] == "dull" or entry[1] < 49]
    (folder / "set_lists/set_lists_fewview_dev.json").write_text(json.dumps({"train": [], "test": test}))
    extra = [{**frames[0], "sequence_name": name, "frame_number": i} for name, i, _ in others]
    _pack(folder / "frame_annotations.jgz", extra + frames)
    scores = {"110_1_2": 0.9, "dull": 0.4, "short": 0.9, "unknown": None}
    _pack(
        folder / "sequence_annotations.jgz",
        [{"sequence_name": name, "viewpoint_quality_score": score} for name, score in scores.items()],
    )
    return ("apple+110_1_2",)


def _frame(root: Path, truth: World, index: int) -> dict:
    """Writes the files of a frame and says what its annotation is, PyTorch3D's way."""
    sequence = root / "apple/110_1_2"
    name = f"frame{index + 1:06d}"
    for folder in ("images", "depths", "depth_masks"):
        (sequence / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(truth.images[index]).save(sequence / f"images/{name}.jpg", quality=95)
    bits = (truth.depths[index] / SCALE).astype(np.float16).view(np.uint16)
    Image.fromarray(bits).save(sequence / f"depths/{name}.jpg.geometric.png")
    mask = np.full(SIZE, 255, np.uint8)
    mask[0] = 0 if index == STILL else 255
    Image.fromarray(mask).convert("1").save(sequence / f"depth_masks/{name}.png")

    K, cam_from_world = truth.intrinsics[index], truth.cam_from_world[index]
    flip = np.diag([-1.0, -1.0, 1.0])
    half = np.array([SIZE[1] / 2, SIZE[0] / 2])
    isotropic = index % 2 == 0
    unit = np.full(2, min(half)) if isotropic else half
    viewpoint = {
        "R": (flip @ cam_from_world[:3, :3]).T.tolist(),
        "T": (flip @ cam_from_world[:3, 3]).tolist(),
        "focal_length": (K[[0, 1], [0, 1]] / unit).tolist(),
        "principal_point": ((half - (K[:2, 2] + 0.5)) / unit).tolist(),
        "intrinsics_format": "ndc_isotropic" if isotropic else "ndc_norm_image_bounds",
    }
    return {
        "sequence_name": "110_1_2",
        "frame_number": 2 * index,
        "frame_timestamp": float(index),
        "image": {"path": f"apple/110_1_2/images/{name}.jpg", "size": list(SIZE)},
        "depth": {
            "path": f"apple/110_1_2/depths/{name}.jpg.geometric.png",
            "scale_adjustment": SCALE,
            "mask_path": f"apple/110_1_2/depth_masks/{name}.png",
        },
        "mask": {"path": "unused", "mass": 1.0},
        "viewpoint": viewpoint,
        "meta": None,
    }


def _pack(file: Path, content: list) -> None:
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        json.dump(content, stream)
