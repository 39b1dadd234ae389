"""How good matchers are on photos with true cameras: number of matches, how many are right, and the poses they give.

    python -m eval.studies.matchers ../shared/data --sets fox redkitchen buddha --matchers sift pointmap tokens

A match is right where it lies near its true epipolar line, which wrong ones do by chance, too: about one in fifty
at 1 % of the photo's long side. Poses are verified with the true focal lengths.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointmap.geometry.matching import PairMatches
from pointmap.images import load_views
from pointmap.match import Matcher, near_epipolar_lines, verify
from pointmap.matchers import CHOICES, load_matcher
from pointmap.scene import View

from ..ground_truth import GroundTruth, load_ground_truth
from .rows import markdown, shown

SIZE = 1024
"""Long side of the photos that are matched, in pixels, unless they are much smaller."""
NEAR = (0.002, 0.005, 0.01)
"""Distances to the epipolar line in which a match is right, as shares of the long side."""


@dataclass(frozen=True)
class PairScore:
    """One matcher on one pair of photos."""

    count: int
    right: tuple[float, ...]
    """Share of matches within each of `NEAR`; NaN without matches."""
    pose_errors: tuple[tuple[float, float, float], ...]
    """Per method of verification: rotation and direction in degrees (180 where there is no pose), and seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["fox", "redkitchen", "buddha"])
    parser.add_argument("--matchers", nargs="+", default=["sift", "pointmap", "tokens"], help=", ".join(CHOICES))
    parser.add_argument("--methods", nargs="+", default=["opencv"], choices=["opencv", "thorough", "poselib"])
    parser.add_argument("--model", default="small", help="network of the matchers that need one")
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--most-turned", type=float, default=45.0, help="leave out pairs turned by more degrees")
    arguments = parser.parse_args()
    rows = []
    for set_name in arguments.sets:
        truth = load_ground_truth(arguments.data / set_name).spread(arguments.photos)
        views = load_views(list(truth.files), image_size=SIZE, patch_size=16).views
        for name in arguments.matchers:
            start = time.perf_counter()
            matcher = load_matcher(name, network=arguments.model)
            scores = list(compare(matcher, views, truth, arguments.methods, arguments.most_turned))
            rows.append(_row(f"{set_name} {name}", scores, len(arguments.methods), time.perf_counter() - start))
    shares = [f"within {share:.1%}" for share in NEAR]
    poses = [f"{method} {what}" for method in arguments.methods for what in ("rotation", "direction", "s")]
    print(markdown(["matcher", "pairs", "matches", *shares, *poses, "s in all"], rows))


def compare(
    matcher: Matcher, views: list[View], truth: GroundTruth, methods: list[str], most_turned_deg: float
) -> Iterator[PairScore]:
    """Score all pairs that look about the same way."""
    described = [matcher.describe(view.image) for view in views]
    longest = max(max(view.image.shape[:2]) for view in views)
    K = [view.working_from_original @ truth.intrinsics[i] for i, view in enumerate(views)]
    for i in range(len(views)):
        for j in range(i + 1, len(views)):
            j_from_i = np.linalg.inv(truth.world_from_cam[j]) @ truth.world_from_cam[i]
            if _angle_deg(j_from_i[2, 2]) > most_turned_deg:
                continue
            matches = matcher.match(described[i], described[j]).between(i, j)
            essential = np.cross(np.eye(3), j_from_i[:3, 3]) @ j_from_i[:3, :3]
            fundamental = np.linalg.inv(K[j]).T @ essential @ np.linalg.inv(K[i])
            marks = [near_epipolar_lines(matches, fundamental, share * longest) for share in NEAR]
            near = tuple(float(mark.mean()) if len(mark) else math.nan for mark in marks)
            errors = tuple(_verified(matches, K[i], K[j], j_from_i, NEAR[0] * longest, method) for method in methods)
            yield PairScore(len(matches.weights), near, errors)


def _verified(
    matches: PairMatches, K_i: np.ndarray, K_j: np.ndarray, j_from_i: np.ndarray, max_error_px: float, method: str
) -> tuple[float, float, float]:
    start = time.process_time()
    settings = {"method": "poselib"} if method == "poselib" else {"thorough": method == "thorough"}
    pose = verify(matches, K_i, K_j, max_error_px=max_error_px, **settings)
    seconds = time.process_time() - start
    if pose is None:
        return 180.0, 180.0, seconds
    turned = (np.trace(pose.rotation.T @ j_from_i[:3, :3]) - 1) / 2
    along = pose.direction @ j_from_i[:3, 3] / max(float(np.linalg.norm(j_from_i[:3, 3])), 1e-12)
    return _angle_deg(turned), _angle_deg(along), seconds


def _row(name: str, scores: list[PairScore], methods: int, seconds: float) -> list[str]:
    if not scores:
        return [name, "0", *["-"] * (1 + len(NEAR) + 3 * methods), f"{seconds:.1f}"]
    counts = np.median([score.count for score in scores])
    with_matches = [score.right for score in scores if score.count] or [(math.nan,) * len(NEAR)]
    near = [shown(share) for share in np.median(with_matches, axis=0)]
    poses = np.median([score.pose_errors for score in scores], axis=0)
    errors = [text for method in poses for text in (f"{method[0]:.2f}", f"{method[1]:.2f}", f"{method[2]:.3f}")]
    return [name, str(len(scores)), f"{counts:.0f}", *near, *errors, f"{seconds:.1f}"]


def _angle_deg(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


if __name__ == "__main__":
    main()
