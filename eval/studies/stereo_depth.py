"""Depth from photos and cameras alone, beside OpenCV's SGBM; and what stereo adds to the depth of a scene.

    python eval/studies/stereo_depth.py ../shared/data --sets hololens_sofa motorcycle --sizes 320 741 --procedural 2
    python eval/studies/stereo_depth.py ../shared/data --network small

With true cameras: "sweep" is scored on all pixels that have a true depth, and on those that another photo confirms;
SGBM, photo by photo with the next one, where it answers, and so is the sweep of all photos. A rectified pair is taken
as it is, others are rectified by OpenCV. With `--network`, sets are reconstructed with `depth="network"`, and their
depth maps refined with the cameras of the scene and with the true ones. Scores: mean relative error, share within a
factor of 1.25, within 5 % and within 1 %, after one median scale per set where the cameras are ours.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/stereo_depth.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.scene import Scene
from pointmap.stereo import refine_depths, sweep_depths

from ..ground_truth import GroundTruth, load_ground_truth
from .procedural_scenes import procedural_sets

PHOTOS = 12
_FEWEST_ANSWERS = 0.02
"""Of SGBM's pixels, below which a pair could not be rectified."""


@dataclass(frozen=True)
class DepthScore:
    """Over all pixels with a true depth."""

    abs_rel: float
    within: tuple[float, float, float]
    """Shares within a factor of 1.25, within 5 % and within 1 %."""
    pixels: float = 1.0
    """Share of the pixels with a true depth that is scored."""

    def __str__(self) -> str:
        shares = "  ".join(f"{share:6.3f}" for share in self.within)
        return f"{self.abs_rel:7.4f}  {shares}   {self.pixels:6.1%}"


def score(depths: list[np.ndarray], true: list[np.ndarray], *, scaled: bool = False) -> DepthScore:
    """Score maps of one size with their truth; 0 in either is left out.

    Args:
        scaled: Bring the depths to the truth's scale by the median ratio first.
    """
    pairs = [(d[(d > 0) & (t > 0)], t[(d > 0) & (t > 0)]) for d, t in zip(depths, true, strict=True)]
    found, truth = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    ratio = found / truth
    if scaled:
        ratio = ratio / np.median(ratio)
    error = np.abs(ratio - 1)
    factor = np.maximum(ratio, 1 / ratio)
    return DepthScore(
        float(error.mean()),
        (float((factor < 1.25).mean()), float((error < 0.05).mean()), float((error < 0.01).mean())),
        len(found) / max(1, sum(int((t > 0).sum()) for t in true)),
    )


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos of a set in one size, with their truth."""

    images: list[np.ndarray]
    intrinsics: np.ndarray
    world_from_cam: np.ndarray
    true: list[np.ndarray]
    """z-depth, 0 where unknown."""

    @property
    def depth_range(self) -> tuple[float, float]:
        """Of the true depths."""
        known = np.concatenate([depth[depth > 0] for depth in self.true])
        return float(known.min()), float(known.max())

    @classmethod
    def load(cls, gt: GroundTruth, size: int) -> "Photos":
        """With long sides of at most `size`."""
        images, sizing = zip(*[_photo(file, size) for file in gt.files], strict=True)
        true = [_pick(gt.depth(i), np.linalg.inv(sizing[i]), image.shape[:2]) for i, image in enumerate(images)]
        return cls(list(images), np.stack(sizing) @ gt.intrinsics, gt.world_from_cam, true)


def sgbm(photos: Photos, i: int, j: int) -> np.ndarray:
    """(h, w) depth of photo i from i and j by OpenCV's semi-global matching; 0 where it gives none."""
    import cv2

    height, width = photos.images[i].shape[:2]
    K_i, K_j = photos.intrinsics[i], photos.intrinsics[j]
    j_from_i = np.linalg.inv(photos.world_from_cam[j]) @ photos.world_from_cam[i]
    left, right = photos.images[i], photos.images[j]
    turn, new_K, offset = np.eye(3), K_i, K_j[0, 2] - K_i[0, 2]
    strength = K_i[0, 0] * -j_from_i[0, 3]
    if not np.allclose(j_from_i[:3, :3], np.eye(3), atol=1e-3) or right.shape != left.shape:
        turn, turn_j, P_i, P_j, *_ = cv2.stereoRectify(
            K_i, np.zeros(5), K_j, np.zeros(5), (width, height), j_from_i[:3, :3], j_from_i[:3, 3:], alpha=0
        )
        if abs(P_j[0, 3]) < abs(P_j[1, 3]):  # one above the other
            return np.zeros((height, width))
        left, right = (
            cv2.remap(
                image,
                *cv2.initUndistortRectifyMap(K, np.zeros(5), R, P[:, :3], (width, height), cv2.CV_32FC1),
                cv2.INTER_LINEAR,
            )
            for image, K, R, P in ((left, K_i, turn, P_i), (right, K_j, turn_j, P_j))
        )
        new_K, strength, offset = P_i[:, :3], -P_j[0, 3], 0.0
    ends = [strength / depth - offset for depth in photos.depth_range]
    count = 16 * int(np.ceil((max(ends) - min(min(ends), 0) + 8) / 16))
    least = min(0, int(np.floor(min(ends))))
    if count >= width:
        return np.zeros((height, width))
    matcher = cv2.StereoSGBM_create(
        minDisparity=least,
        numDisparities=count,
        blockSize=5,
        P1=8 * 3 * 25,
        P2=32 * 3 * 25,
        disp12MaxDiff=1,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_HH,
    )
    disparity = matcher.compute(left, right).astype(np.float64) / 16
    shift = disparity + offset
    known = (disparity > least - 0.5) & (shift * np.sign(strength) > 1e-3)
    # Rectification turns the camera: each pixel of the photo looks up the point that its ray meets.
    v, u = np.mgrid[:height, :width]
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K_i).T @ turn.T
    pixels = rays @ new_K.T
    x, y = (np.round(pixels[..., axis] / pixels[..., 2]).astype(int) for axis in (0, 1))
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height) & (pixels[..., 2] > 0)
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    answered = inside & known[y, x]
    # A ray of z = 1 in the photo has z = rays[..., 2] in the turned camera.
    return np.where(answered, strength / np.where(answered, shift[y, x], 1) / np.where(inside, rays[..., 2], 1), 0)


def compare_true(photos: Photos) -> list[tuple[str, DepthScore, float]]:
    """Label, score and CPU seconds per photo, with true cameras."""
    images = [torch.from_numpy(image.copy()) for image in photos.images]
    cameras = torch.from_numpy(photos.intrinsics).float(), torch.from_numpy(photos.world_from_cam).float()
    start = time.process_time()
    result = sweep_depths(images, *cameras, photos.depth_range)
    seconds = (time.process_time() - start) / len(images)
    depths = [depth.numpy() for depth in result.depths]
    sure = [np.where(support > 0, depth, 0) for support, depth in zip(result.support, depths, strict=True)]
    rows = [("sweep", score(depths, photos.true), seconds), ("sweep, confirmed", score(sure, photos.true), 0.0)]
    start = time.process_time()
    pairs = [(i, i + 1) for i in range(len(images) - 1)]
    answers = {i: sgbm(photos, i, j) for i, j in pairs}
    seconds = (time.process_time() - start) / len(pairs)
    answers = {i: depth for i, depth in answers.items() if (depth > 0).mean() > _FEWEST_ANSWERS}
    if answers:
        answered, true = list(answers.values()), [photos.true[i] for i in answers]
        ours, confirmed = [depths[i] for i in answers], [sure[i] for i in answers]
        rows.append(("SGBM", score(answered, true), seconds))
        rows.append(("sweep, on the same", score(_where(ours, answered), true), 0.0))
        rows.append(("SGBM, on both", score(_where(answered, confirmed), true), 0.0))
        rows.append(("sweep, on both", score(_where(confirmed, answered), true), 0.0))
    return rows


def compare_scene(scene: Scene, gt: GroundTruth, size: int) -> list[tuple[str, DepthScore, float]]:
    """The same for a scene's depth maps, as they are and refined."""
    images, sizing = zip(*[_photo(file, size) for file in gt.files], strict=True)
    true = Photos.load(gt, size).true
    initial = [
        _pick(
            scene.depths[i],
            scene.working_intrinsics[i] @ np.linalg.inv(sizing[i] @ scene.intrinsics[i]),
            images[i].shape[:2],
        )
        for i in range(len(images))
    ]
    to_truth = float(
        np.median(np.concatenate([(t / d)[(t > 0) & (d > 0)] for d, t in zip(initial, true, strict=True)]))
    )
    rows = [("network", score(initial, true, scaled=True), 0.0)]
    for label, K, poses, scale in (
        ("refined, our cameras", scene.intrinsics, scene.world_from_cam, 1.0),
        ("refined, true cameras", gt.intrinsics, gt.world_from_cam, to_truth),
    ):
        cameras = torch.from_numpy(np.stack(sizing) @ K).float(), torch.from_numpy(poses).float()
        start = time.process_time()
        result = refine_depths(
            [torch.from_numpy(image.copy()) for image in images],
            *cameras,
            [torch.from_numpy(depth).float() * scale for depth in initial],
        )
        seconds = (time.process_time() - start) / len(images)
        depths = [depth.numpy() for depth in result.depths]
        rows.append((label, score(depths, true, scaled=scale == 1.0), seconds))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=["hololens_sofa", "motorcycle"])
    parser.add_argument("--photos", type=int, default=PHOTOS, help="of each set, at most")
    parser.add_argument("--sizes", type=int, nargs="+", default=[320], help="long sides of the photos, in pixels")
    parser.add_argument("--procedural", type=int, default=0, help="held-out procedural scenes, with exact truth")
    parser.add_argument("--scenes", type=Path, default=Path("eval-stereo"), help="folder to render these into")
    parser.add_argument("--network", help="also refine the depths of scenes reconstructed with this model")
    arguments = parser.parse_args()
    truths = [load_ground_truth(arguments.data / name) for name in arguments.sets]
    truths += procedural_sets(arguments.scenes, arguments.procedural) if arguments.procedural else []
    print(f"{'set':<16}{'size':<6}{'depth':<23}AbsRel   d1.25     5 %     1 %   pixels   s/photo")
    for gt in (truth.spread(arguments.photos) for truth in truths):
        for size in arguments.sizes:
            rows = compare_true(Photos.load(gt, size))
            if arguments.network:
                scene = pointmap.reconstruct(gt.files, model=arguments.network, depth="network", progress=False)
                rows += compare_scene(scene, gt, size)
            for label, result, seconds in rows:
                print(f"{gt.name:<16}{size:<6}{label:<23}{result}   {seconds:7.2f}", flush=True)


def _where(depths: list[np.ndarray], others: list[np.ndarray]) -> list[np.ndarray]:
    """The depths where the others have some, too."""
    return [np.where(other > 0, depth, 0) for depth, other in zip(depths, others, strict=True)]


def _photo(file: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo with a long side of at most `size`, and the 3x3 from its own pixels to these."""
    from PIL import Image

    with Image.open(file) as opened:
        image = opened.convert("RGB")
    scale = min(1.0, size / max(image.size))
    width, height = (round(length * scale) for length in image.size)
    x, y = width / image.width, height / image.height
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)), np.array(
        [[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]]
    )


def _pick(values: np.ndarray, from_new: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The nearest pixels of a map for an image of another size; `from_new` maps its pixels to the map's."""
    rows = (np.arange(shape[0]) * from_new[1, 1] + from_new[1, 2]).round().astype(int).clip(0, values.shape[0] - 1)
    columns = (np.arange(shape[1]) * from_new[0, 0] + from_new[0, 2]).round().astype(int).clip(0, values.shape[1] - 1)
    return values[rows[:, None], columns]


if __name__ == "__main__":
    main()
