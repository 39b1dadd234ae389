"""BlendedMVS: photos blended with renderings of reconstructed surfaces, and the depth of these."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.readers.posed import rigid_pose

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_array
from ..layouts.frame_choice import whole_option
from ..layouts.mvsnet import read_camera, read_pairs, read_pfm
from ..layouts.tree import find_scenes, require_file
from ..protocols.combined import Combined
from ..protocols.depth import Depth
from ..protocols.points import PointMaps
from ..protocols.relative_pose import RelativePose
from ..task import Inputs, Task, Truth

SCANS = (
    "5b7a3890fc8fcf6781e2593a",
    "5c189f2326173c3a09ed7ef3",
    "5b950c71608de421b1e7318f",
    "5a6400933d809f1d8200af15",
    "59d2657f82ca7774b1ec081d",
    "5ba19a8a360c7c30c1c169df",
    "59817e4a1bd4b175e7038d19",
)
"""YoYo000/BlendedMVS:validation_list.txt"""

SETS = 5
"""Of photos in each scan."""

SCENES = tuple(f"{scan}+{number}" for scan in SCANS for number in range(SETS))

_SETS = (
    f"{SETS} sets of photos in each of the 7 scans of the validation list: a reference photo, drawn with "
    "np.random.default_rng(42), and the first 9 of its source views in cams/pair.txt, which overlap with it."
)
_DEPTH = Combined(
    (Depth(align="median", per="sequence", inlier_ratio=1.03),),
    kept=("absrel", "inlier_103", "d1", "d2", "d3", "log_rmse", "coverage"),
)
"""No lengths: their unit is another one in every scan."""

_OURS = "ours: BlendedMVS is a training set, and nobody states a protocol of this kind for its validation list"


class BlendedMvs(Benchmark):
    """See `about`. Scenes are `scan+number`."""

    name: ClassVar[str] = "blendedmvs"
    title: ClassVar[str] = "BlendedMVS"
    about: ClassVar[About] = About(
        homepage="https://github.com/YoYo000/BlendedMVS",
        licence="CC BY 4.0",
        paper="Yao, Luo, Li, Zhang, Ren, Zhou, Fang, Quan: BlendedMVS, CVPR 2020",
        layout="""\
ROOT/5b7a3890fc8fcf6781e2593a/blended_images/00000000.jpg
                              cams/pair.txt
                              cams/00000000_cam.txt
                              rendered_depth_maps/00000000.pfm
(the low-res set, 768 x 576; the high-res set has the same folders)""",
        layout_source="YoYo000/BlendedMVS:README.md",
        size="27.5 GB (low-res set)",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "pose": Setting(
            "Relative pose, 10 overlapping photos",
            RelativePose(auc=(30, 5), accuracy=(15, 5)),
            source=_OURS,
            note=_SETS,
            options={"frames": 10, "seed": 42},
        ),
        "depth": Setting(
            "Multi-view depth, 10 overlapping photos, one median scale a set",
            _DEPTH,
            source=_OURS,
            note=f"{_SETS} Pixels that the rendered surface does not cover take no part.",
            options={"frames": 10, "seed": 42},
        ),
        "points": Setting(
            "Point maps, 10 overlapping photos",
            PointMaps(first="umeyama", icp=None, nearest=0.0, farthest=float("inf"), unit=""),
            source=_OURS,
            note=f"{_SETS} The scale of the scans means nothing, so each set is scaled until the median true depth of "
            "its reference photo is 1; without ICP.",
            options={"frames": 10, "seed": 42},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        return find_scenes(self, root, SCENES, only, lambda scene: _missing(root, scene))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`. Principal points are as written: the authors do not say where their pixels' centres are."""
        scan, _, number = scene.partition("+")
        folder = root / scan
        used = self.settings[setting]
        pairs = read_pairs(folder / "cams/pair.txt")
        references = [photo for photo, sources in pairs.items() if sources]
        if not references:
            raise InputError(
                f"{str(folder / 'cams/pair.txt')!r} lists no photo with source views. Unpack {scan} again."
            )
        order = np.random.default_rng(whole_option(used, "seed")).permutation(len(references))
        reference = references[order[int(number) % len(references)]]
        chosen = (reference, *pairs[reference][: whole_option(used, "frames") - 1])
        photos = tuple(require_file(folder / f"blended_images/{i:08d}.jpg", "a photo") for i in chosen)
        files = [require_file(folder / f"rendered_depth_maps/{i:08d}.pfm", "a depth map") for i in chosen]
        cameras = [read_camera(folder / f"cams/{i:08d}_cam.txt") for i in chosen]
        poses = []
        for i, camera in zip(chosen, cameras, strict=True):
            pose = rigid_pose(camera.cam_from_world, f"The camera of photo {i} of {scan}")
            poses.append(np.full((4, 4), np.nan) if pose is None else np.linalg.inv(pose))
        world_from_cam = np.stack(poses)
        scale = 1.0
        if setting == "points":
            scale = 1 / _typical_depth(files[0])
            world_from_cam[:, :3, 3] *= scale
        depths = tuple(depth_array(partial(_scaled, file, scale)) for file in files)
        truth = Truth(np.stack([camera.intrinsics for camera in cameras]), world_from_cam, depths, unit="")
        return Task(scene, Inputs(photos), truth)


def _missing(root: Path, scene: str) -> str | None:
    scan = scene.partition("+")[0]
    wanted = ("blended_images", "cams/pair.txt", "rendered_depth_maps")
    return next((f"{scan}/{name}" for name in wanted if not (root / scan / name).exists()), None)


def _scaled(file: Path, scale: float) -> np.ndarray:
    return read_pfm(file) * np.float32(scale)


def _typical_depth(file: Path) -> float:
    depth = read_pfm(file)
    known = depth[np.isfinite(depth) & (depth > 0)]
    if len(known) == 0:
        raise InputError(f"{str(file)!r} is empty: no surface covers this reference photo. Leave its set out.")
    return float(np.median(known))
