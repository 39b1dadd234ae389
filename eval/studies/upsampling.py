"""Depth at the photo's own resolution: true depth shrunk, enlarged again, and compared with itself.

    python eval/studies/upsampling.py ../shared/data --sets hololens_sofa motorcycle --procedural 4
    python eval/studies/upsampling.py ../shared/data --sets motorcycle --pictures OUT

"sharp" small maps have in each pixel the mean depth of the surface in its middle; "averaged" ones that of all that it
covers, so that points hang between surfaces as those of networks do. Scores over all pixels with a true depth, and over
those within 5 pixels of a depth edge; the share of these that are more than 5 % off; and F of the depth edges
themselves, within a pixel.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if not __package__:  # run as a file: python eval/studies/upsampling.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.fusion.upsampling import upsample_maps
from pointmap.scene import Photo

from ..ground_truth import GroundTruth, load_ground_truth
from .procedural_scenes import procedural_sets
from .rows import markdown

EDGE = 0.05
"""Relative step of depth from a pixel to the next that is an edge, and error that is wrong."""
NEAR_PX = 5

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The photo (H, W, 3) and a small depth map to a depth map of the photo's size."""


def nearest(photo: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The depth of the nearest small pixel."""
    import cv2

    return cv2.resize(depth, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def bilinear(photo: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Between the four small pixels around, of those that are known."""
    import cv2

    size = photo.shape[1::-1]
    share = cv2.resize((depth > 0).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return cv2.resize(depth, size, interpolation=cv2.INTER_LINEAR) / np.maximum(share, 1e-6) * (share > 0.5)


def ours(photo: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """`Scene.photo_maps`."""
    (height, width), (h, w) = photo.shape[:2], depth.shape
    K = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1.0]])
    sx, sy = w / width, h / height
    small_from_photo = np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
    confidence, kept = np.ones(depth.shape, np.float32), np.ones(depth.shape, bool)
    return upsample_maps(Photo(photo, K), depth, confidence, kept, small_from_photo @ K).depth


METHODS: dict[str, Method] = {"nearest": nearest, "bilinear": bilinear, "ours": ours}


def shrunk(photo: np.ndarray, depth: np.ndarray, size: int, *, averaged: bool) -> np.ndarray:
    """The small map, with this long side."""
    import cv2

    factor = size / max(depth.shape)
    target = (round(depth.shape[1] * factor), round(depth.shape[0] * factor))
    middle = cv2.resize(depth, target, interpolation=cv2.INTER_NEAREST_EXACT)
    counts = depth > 0
    if not averaged:
        counts &= np.abs(depth - nearest(photo, middle)) < EDGE * depth
    share = cv2.resize(counts.astype(np.float32), target, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(np.where(counts, depth, 0), target, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-6)
    return np.where(middle > 0, mean, 0).astype(np.float32)


def without_gaps(depth: np.ndarray) -> np.ndarray:
    """The map with lines of a pixel without depth filled within surfaces: depth of another camera leaves such."""
    import cv2

    known = depth > 0
    count = cv2.blur(known.astype(np.float32), (3, 3)) * 9
    mean = cv2.blur(np.where(known, depth, 0), (3, 3)) * 9 / np.maximum(count, 1)
    window = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(depth, window) - cv2.erode(np.where(known, depth, np.float32(1e9)), window)
    return np.where(~known & (count > 3.5) & (spread < EDGE * mean), mean, depth)


def edges(depth: np.ndarray) -> np.ndarray:
    """True beside a step of depth between two known pixels."""
    found = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        here, there = (np.moveaxis(depth, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        step = (np.abs(here - there) > EDGE * np.minimum(here, there)) & (here > 0) & (there > 0)
        np.moveaxis(found, axis, 0)[:-1] |= step
        np.moveaxis(found, axis, 0)[1:] |= step
    return found


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """What is within so many pixels."""
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)) > 0


@dataclass(frozen=True)
class Score:
    """Of one map."""

    absrel: float
    edge_absrel: float
    edge_wrong: float
    edge_f: float
    seconds_per_mp: float


def score(found: np.ndarray, true: np.ndarray, seconds: float) -> Score:
    """Where both are known."""
    import warnings

    known = (found > 0) & (true > 0)
    error = np.abs(found / np.where(known, true, 1) - 1)
    true_edges, found_edges = edges(true), edges(found)
    # Sensors have no depth beside some edges; there is nothing to compare there.
    near = grown(true_edges, NEAR_PX) & known
    precision = float(np.mean(grown(true_edges, 1)[found_edges & (true > 0)])) if found_edges.any() else 0.0
    recall = float(np.mean(grown(found_edges, 1)[true_edges])) if true_edges.any() else 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no edges at all: NaN
        return Score(
            float(error[known].mean()),
            float(error[near].mean()),
            float((error[near] > EDGE).mean()),
            2 * precision * recall / max(precision + recall, 1e-9),
            seconds / true.size * 1e6,
        )


def compare(truth: GroundTruth, size: int, photos: int, pictures: Path | None) -> list[list[str]]:
    """Rows of one set."""
    from PIL import Image

    scores: dict[tuple[str, str], list[Score]] = {}
    for index in np.linspace(0, len(truth.files) - 1, min(photos, len(truth.files))).round().astype(int).tolist():
        true = truth.depth(index)
        if true is None:
            continue
        true = without_gaps(true.astype(np.float32))
        height, width = true.shape
        with Image.open(truth.files[index]) as image:
            photo = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
        for kind in ("sharp", "averaged"):
            small = shrunk(photo, true, size, averaged=kind == "averaged")
            found = {}
            for name, method in METHODS.items():
                start = time.perf_counter()
                found[name] = method(photo, small)
                seconds = time.perf_counter() - start
                scores.setdefault((kind, name), []).append(score(found[name], true, seconds))
            if pictures is not None:
                write_picture(photo, true, found, pictures / f"{truth.name}-{index}-{kind}.png")
    rows = []
    for (kind, name), own in scores.items():
        mean = [float(np.nanmean([getattr(one, key) for one in own])) for key in Score.__annotations__]
        formats = ("{:.4f}", "{:.4f}", "{:.1%}", "{:.3f}", "{:.2f}")
        figures = [form.format(value) for form, value in zip(formats, mean, strict=True)]
        rows.append([truth.name, f"{size} px, {kind}", name, str(len(own)), *figures])
    return rows


def write_picture(photo: np.ndarray, true: np.ndarray, found: dict[str, np.ndarray], path: Path) -> None:
    """Photo, truth and what the methods say, side by side."""
    from PIL import Image

    near, far = np.percentile(true[true > 0], [2, 98])
    shown = [photo]
    for depth in (true, *found.values()):
        inverse = (1 / np.maximum(depth, 1e-6) - 1 / far) / (1 / near - 1 / far)
        shown.append(np.repeat((np.where(depth > 0, inverse.clip(0.1, 1), 0) * 255).astype(np.uint8)[..., None], 3, -1))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(shown, axis=1)).save(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of sets with a cameras.json and depth")
    parser.add_argument("--sets", nargs="*", default=["hololens_sofa", "motorcycle"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[160, 224, 320], help="long sides of the small maps")
    parser.add_argument("--photos", type=int, default=4, help="of each set")
    parser.add_argument("--procedural", type=int, default=0, help="so many held-out procedural scenes beside")
    parser.add_argument("--first", type=int, default=0, help="leave out the procedural scenes before this one")
    parser.add_argument("--scenes", type=Path, default=Path("eval-upsampling/scenes"), help="where these are rendered")
    parser.add_argument("--pictures", type=Path, help="folder for pictures")
    args = parser.parse_args()
    truths = [load_ground_truth(args.data / name) for name in args.sets]
    truths += procedural_sets(args.scenes, args.first + args.procedural)[args.first :] if args.procedural else []
    rows = [row for truth in truths for size in args.sizes for row in compare(truth, size, args.photos, args.pictures)]
    header = ("set", "small maps", "method", "photos", "AbsRel", f"within {NEAR_PX} px of edges", "wrong there")
    print(markdown((*header, "edge F", "s per MP"), rows))


if __name__ == "__main__":
    main()
