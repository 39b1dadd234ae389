"""How much stereo adds to the depth of a scene, with our cameras and with true ones, beside OpenCV's SGBM.

    python eval/stereo_depth.py ../shared/data --sets hololens_sofa motorcycle

Every set is reconstructed with `depth="network"`, and its depth maps are refined with the cameras of the scene and
with the true ones; "sweep" starts from the true cameras and the range of true depths alone. Depths are scored in the
photos' own size: mean relative error, share within 25 %, 5 % and 1 %, after one median scale per set where the cameras
are ours. SGBM (a rectified pair only) is scored where it answers, and so is the line after it.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

if not __package__:  # run as a file: python eval/stereo_depth.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "eval"

import pointmap
from pointmap.scene import Scene
from pointmap.stereo import refine_depths, sweep_depths

from .ground_truth import GroundTruth, load_ground_truth

PHOTOS = 12


@dataclass(frozen=True)
class DepthScore:
    """Over all pixels with a true depth."""

    abs_rel: float
    within: tuple[float, float, float]
    """Shares within a factor of 1.25, within 5 % and within 1 %."""

    def __str__(self) -> str:
        shares = "  ".join(f"{share:6.3f}" for share in self.within)
        return f"{self.abs_rel:7.4f}  {shares}"


def score(depths: list[np.ndarray], true: list[np.ndarray], *, scaled: bool) -> DepthScore:
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
        float(error.mean()), (float((factor < 1.25).mean()), float((error < 0.05).mean()), float((error < 0.01).mean()))
    )


def sgbm(left: np.ndarray, right: np.ndarray, gt: GroundTruth, nearest: float) -> np.ndarray:
    """(H, W) depth of the left of two rectified photos by OpenCV's semi-global matching; 0 where it gives none."""
    import cv2

    focal, baseline = gt.intrinsics[0, 0, 0], np.linalg.norm(gt.world_from_cam[1, :3, 3] - gt.world_from_cam[0, :3, 3])
    offset = gt.intrinsics[1, 0, 2] - gt.intrinsics[0, 0, 2]
    count = 16 * int(np.ceil((focal * baseline / nearest - offset + 8) / 16))
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
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
    return np.where(disparity > 0, focal * baseline / np.maximum(disparity + offset, 1e-6), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", default=["hololens_sofa", "motorcycle"])
    parser.add_argument("--model", default="small")
    parser.add_argument("--size", type=int, default=320, help="long side of the photos that stereo compares, in pixels")
    arguments = parser.parse_args()
    print(f"{'set':<16}{'depth':<22}AbsRel   d1.25     5 %     1 %   s/photo")
    for name in arguments.sets:
        gt = load_ground_truth(arguments.data / name).spread(PHOTOS)
        scene = pointmap.reconstruct(gt.files, model=arguments.model, depth="network", progress=False)
        for label, result, seconds in compare(scene, gt, arguments.size):
            print(f"{name:<16}{label:<22}{result}   {seconds:7.2f}", flush=True)


def compare(scene: Scene, gt: GroundTruth, size: int) -> list[tuple[str, DepthScore, float]]:
    """Label, score and CPU seconds per photo of every way to depth."""
    photos, sizing = zip(*[_photo(file, size) for file in gt.files], strict=True)
    images = [torch.from_numpy(photo.copy()) for photo in photos]
    true = [_pick(gt.depth(i), np.linalg.inv(sizing[i]), photos[i].shape[:2]) for i in range(len(photos))]
    initial = [
        _pick(
            scene.depths[i],
            scene.working_intrinsics[i] @ np.linalg.inv(sizing[i] @ scene.intrinsics[i]),
            photos[i].shape[:2],
        )
        for i in range(len(photos))
    ]
    ratio = np.concatenate([(t / d)[(t > 0) & (d > 0)] for d, t in zip(initial, true, strict=True)])
    to_truth = float(np.median(ratio))
    known = np.concatenate([t[t > 0] for t in true])
    rows = [("network", score(initial, true, scaled=True), 0.0)]
    for label, K, poses, scale in (
        ("stereo, our cameras", scene.intrinsics, scene.world_from_cam, 1.0),
        ("stereo, true cameras", gt.intrinsics, gt.world_from_cam, to_truth),
        ("sweep, true cameras", gt.intrinsics, gt.world_from_cam, None),
    ):
        cameras = torch.from_numpy(np.stack(sizing) @ K).float(), torch.from_numpy(poses).float()
        start = time.process_time()
        if scale is None:
            result = sweep_depths(images, *cameras, (float(known.min()), float(known.max())))
        else:
            result = refine_depths(images, *cameras, [torch.from_numpy(d).float() * scale for d in initial])
        seconds = (time.process_time() - start) / len(images)
        depths = [depth.numpy() for depth in result.depths]
        rows.append((label, score(depths, true, scaled=label.endswith("our cameras")), seconds))
    if len(images) == 2 and np.allclose(gt.world_from_cam[:, :3, :3], np.eye(3), atol=1e-3):
        full = [_photo(file, 10**6)[0] for file in gt.files]
        start = time.process_time()
        found = sgbm(full[0], full[1], gt, float(known.min()))
        seconds = time.process_time() - start
        found = _pick(found, np.linalg.inv(sizing[0]), photos[0].shape[:2])
        answered = np.where(found > 0, true[0], 0)
        share = (found > 0)[true[0] > 0].mean()
        rows.append((f"SGBM, on {share:.0%}", score([found], [answered], scaled=False), seconds))
        rows.append(("sweep, on the same", score(depths[:1], [answered], scaled=False), 0.0))
    return rows


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
