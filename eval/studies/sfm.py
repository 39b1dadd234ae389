"""Structure from motion: our keypoints in COLMAP's mappers beside COLMAP alone, and bundle adjustment of our scenes.

    python eval/studies/sfm.py ../shared/data --sets fox redkitchen
    python eval/studies/sfm.py ../shared/data --sets fox redkitchen --adjust

The first prints a row per set and method: "keypoints" are ours (`pointmap.match`) in `pointmap.sfm.map_photos`, "SIFT"
are COLMAP's own in the same, "COLMAP" is COLMAP with its default options. Seconds are those of matching and of mapping.
The second reconstructs every set, hands its cameras and keypoints to `pointmap.sfm.adjust`, and prints the median
reprojection error and the scores of the cameras before and after.
"""

import argparse
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/sfm.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.geometry.matching import PairMatches
from pointmap.images import load_views
from pointmap.match import KEYPOINT_SIZE, keypoint_matches
from pointmap.metrics import pose_errors
from pointmap.sfm import MatchedPhotos, SfmModel, adjust, collect_matches, colmap_features, map_photos

from ..ground_truth import GroundTruth, load_ground_truth
from .colmap_baseline import run_colmap
from .rows import Estimate, Row, markdown, score, shown

_DEFAULT_FOCAL = 1.2
"""Of the long side, where EXIF has none: what COLMAP begins with."""
HEADER = ("set", "method", "photos", "registered", "AUC@5", "AUC@30", "focal", "points", "match s", "map s")
ADJUST_HEADER = ("set", "photos", "px before", "px after", "AUC@5", "after", "AUC@30", "after ")


def our_keypoints(truth: GroundTruth) -> MatchedPhotos:
    """Keypoints that agree on epipolar geometry, of every two photos; photos of one size share a camera."""
    views = load_views(list(truth.files), image_size=KEYPOINT_SIZE, patch_size=8).views
    keep = [np.ones(view.image.shape[:2], bool) for view in views]
    matches = []
    for found in keypoint_matches(views, views, keep, list(combinations(range(len(views)), 2))):
        i, j = found.matches.view_i, found.matches.view_j
        ends = []
        for view, pixels in ((i, found.matches.pixels_i), (j, found.matches.pixels_j)):
            original = torch.from_numpy(np.linalg.inv(views[view].working_from_original))
            ends.append(pixels.double() @ original[:2, :2].mT + original[:2, 2])
        matches.append(PairMatches(i, j, *ends, found.matches.weights))
    sizes = np.array([view.original_size for view in views])
    focals = [view.focal_px_prior or _DEFAULT_FOCAL * max(view.original_size) for view in views]
    K = [[[f, 0, (w - 1) / 2], [0, f, (h - 1) / 2], [0, 0, 1]] for f, (w, h) in zip(focals, sizes, strict=True)]
    known = [view.focal_px_prior is not None for view in views]
    names = [view.name for view in views]
    return collect_matches(matches, sizes, np.array(K), cameras=same_size(sizes), known=known, names=names)


def same_size(sizes: np.ndarray) -> list[int]:
    """Per photo the number of the first one of its size."""
    return [sizes.tolist().index(size) for size in sizes.tolist()]


def mapping_rows(truth: GroundTruth, *, sift: bool) -> list[list[str]]:
    """One set by every method."""
    sources = {"keypoints": lambda: our_keypoints(truth)}
    if sift:
        sources["SIFT"] = lambda: colmap_features(truth.files)
    rows = []
    for source, find in sources.items():
        start = time.perf_counter()
        photos = find()
        photos = replace(photos, cameras=np.array(same_size(photos.image_sizes)))
        seconds = time.perf_counter() - start
        for method in ("incremental", "global"):
            start = time.perf_counter()
            models = map_photos(photos, method=method)
            row = score(truth, _estimate(models, truth), method=f"{source} {method}")
            points = len(models[0].points) if models else 0
            rows.append(_line(row, points, seconds, time.perf_counter() - start))
    baseline = run_colmap(truth, [np.arange(len(truth.files))])  # the second row's time is that of mapping alone
    whole, mapping = baseline[0].seconds, baseline[1].seconds
    return [*rows, _line(baseline[0], 0, whole - mapping, mapping)]


def adjusted_row(truth: GroundTruth, poses: str) -> list[str]:
    """One set, reconstructed and then adjusted."""
    scene = pointmap.reconstruct(list(truth.files), poses=poses, depth="network", progress=False)
    photos = replace(our_keypoints(truth), intrinsics=scene.intrinsics)
    # Few photos do not tell the focal length: hololens_sofa (8 photos), AUC@30 84.4, free 80.0, with fixed ones 87.3.
    found = adjust(photos, scene.world_from_cam, fixed=np.ones(len(photos.names), bool))
    true = torch.from_numpy(truth.world_from_cam)
    errors = [pose_errors(torch.from_numpy(p), true) for p in (scene.world_from_cam, found.model.world_from_cam)]
    scores = [f"{100 * error.auc(limit):.1f}" for limit in (5, 30) for error in errors]
    return [truth.name, str(len(truth.files)), f"{found.before_px:.3f}", f"{found.after_px:.3f}", *scores]


def _estimate(models: list[SfmModel], truth: GroundTruth) -> Estimate:
    if not models:
        count = len(truth.files)
        return Estimate(np.full((count, 4, 4), np.nan), np.full(count, np.nan))
    return Estimate(models[0].world_from_cam, models[0].intrinsics[:, 0, 0])


def _line(row: Row, points: int, match_seconds: float, map_seconds: float) -> list[str]:
    percent = [shown(100 * value, "{:.1f}") for value in (row.auc_5, row.auc_30)]
    seconds = [shown(value, "{:.0f}") for value in (match_seconds, map_seconds)]
    counts = [str(row.photos), str(row.registered)]
    return [row.set, row.method, *counts, *percent, shown(row.focal_error), str(points or "-"), *seconds]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of sets, each with photos and a cameras.json")
    parser.add_argument("--sets", nargs="*", help="of them; default all")
    parser.add_argument("--photos", type=int, default=24, help="at most so many of each, evenly chosen")
    parser.add_argument("--sift", action="store_true", help="COLMAP's own features in our mapping, too")
    parser.add_argument("--adjust", action="store_true", help="bundle adjustment of our scenes instead")
    parser.add_argument("--poses", default="auto", help="of those scenes, as in pointmap.reconstruct")
    arguments = parser.parse_args()
    names = arguments.sets or sorted(path.parent.name for path in arguments.data.glob("*/cameras.json"))
    rows = []
    for name in names:
        truth = load_ground_truth(arguments.data / name).spread(arguments.photos)
        rows += [adjusted_row(truth, arguments.poses)] if arguments.adjust else mapping_rows(truth, sift=arguments.sift)
        print(markdown(ADJUST_HEADER if arguments.adjust else HEADER, rows), flush=True)


if __name__ == "__main__":
    main()
