"""Scenes for the benchmarks of alignment: predictions with known cameras; and how far cameras are from the truth."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from pointmap.geometry.similarity import fit_similarity
from pointmap.geometry.transforms import transform_points
from pointmap.scene import Group

from .adam_unknowns import Unknowns

_ROOT = Path(__file__).resolve().parents[2]
if str(_ROOT) not in sys.path:
    sys.path.insert(0, str(_ROOT))

from tests import golden_inputs  # noqa: E402 (the scenes and their noise are defined beside the reference numbers)

GOLDEN = ("n4", "n3mixed", "n5swin")
"""Of tests/golden/post/alignment_*, with numbers of the public implementation."""


@dataclass(frozen=True, eq=False)
class AlignmentScene:
    """Predictions and their truth."""

    name: str
    groups: list[Group]
    world_from_cam: np.ndarray
    """(N, 4, 4) true poses."""
    focals: np.ndarray
    """(N,) true focal lengths in pixels."""
    centres: np.ndarray
    """(N, 2) true principal points, x and y."""
    depths: list[np.ndarray] = field(default_factory=list)
    """True depth maps (h, w), where they are stored."""
    public_start: Unknowns | None = None
    """Where the public implementation starts, which takes the focal lengths of other images."""

    @property
    def first_views(self) -> list[int]:
        """In whose frame each group is."""
        return [group.views[0] for group in self.groups]

    @property
    def intrinsics(self) -> np.ndarray:
        """(N, 3, 3) true matrices."""
        K = np.tile(np.eye(3), (len(self.focals), 1, 1))
        K[:, 0, 0] = K[:, 1, 1] = self.focals
        K[:, :2, 2] = self.centres
        return K


def load_scene(name: str) -> AlignmentScene:
    """One of `GOLDEN`, or a synthetic one as views x width x height, e.g. 4x224x168."""
    return golden(name) if name in GOLDEN else synthetic(*(int(part) for part in name.split("x")))


def golden(name: str) -> AlignmentScene:
    """One of `GOLDEN`."""
    data = load_file(_ROOT / "tests" / "golden" / "post" / f"alignment_{name}.safetensors")
    shapes = data["imshapes"].tolist()
    groups = [
        Group(
            (i, j),
            [data[f"pred.{e}.pts_i"].numpy(), data[f"pred.{e}.pts_j"].numpy()],
            [data[f"pred.{e}.conf_i"].numpy(), data[f"pred.{e}.conf_j"].numpy()],
        )
        for e, (i, j) in enumerate(data["edges"].tolist())
    ]
    depths = [row[: h * w].clone() for row, (h, w) in zip(data["init.im_depthmaps"], shapes, strict=True)]
    return AlignmentScene(
        name,
        groups,
        data["gt_poses"].numpy(),
        data["gt_focals"].numpy(),
        np.array([[w / 2, h / 2] for h, w in shapes]),
        public_start=Unknowns(data["init.pw_poses"], data["init.im_poses"], data["init.im_focals"], depths),
    )


def synthetic(views: int, width: int, height: int, *, seed: int = 0) -> AlignmentScene:
    """The complete graph of cameras around a wavy surface, both orders of every pair (tests/golden_inputs.py).

    Noise of a prediction: a scale exp(0.3 n) of the pair; a smooth warp of 1 % of the depth; Gaussian noise per point
    of 0.6 % of the mean depth times the square of the relative depth. Confidences of 1.7 to 10 are smooth, too, and
    fall with depth and baseline.
    """
    truth = golden_inputs.make_scene(views, height, width, seed)
    groups = []
    for i, j in golden_inputs.complete_edges(views):
        pair = golden_inputs.pair_pred(truth, i, j)
        groups.append(Group((i, j), [pair["pts_i"], pair["pts_j"]], [pair["conf_i"], pair["conf_j"]]))
    centres = np.tile([width / 2, height / 2], (views, 1))
    name = f"{views}x{width}x{height}"
    return AlignmentScene(name, groups, truth["poses"], truth["focals"], centres, list(truth["depths"]))


@dataclass(frozen=True)
class CameraErrors:
    """Means over all views, or all pairs of views."""

    relative_rotation: float
    """Degrees, over all pairs; a pair with a missing view counts 180."""
    rotation: float
    """Degrees, after the similarity that brings the centres together; of the registered views, like the centres."""
    centres: float
    """Of the mean distance of the true centres from their mean, after that similarity."""
    worst_centre: float
    """The largest."""
    registered: int


def camera_errors(world_from_cam: np.ndarray, true: np.ndarray) -> CameraErrors:
    """Compare poses with their truth; NaN where a view is not registered."""
    registered = np.isfinite(world_from_cam).all((1, 2))
    found, true = (torch.from_numpy(poses[registered]).double() for poses in (world_from_cam, true))
    count, views = len(found), len(registered)
    if count == 0:
        return CameraErrors(180.0, np.nan, np.nan, np.nan, 0)
    # The angle of pair (i, j) is that between the errors of i and of j.
    turns = true[:, :3, :3] @ found[:, :3, :3].mT
    angles = _angles(turns.flatten(1) @ turns.flatten(1).T)
    pairs = views * (views - 1) / 2
    relative = (float(angles.triu(1).sum()) + 180 * (pairs - count * (count - 1) / 2)) / pairs
    similarity = fit_similarity(found[:, :3, 3], true[:, :3, 3], torch.ones(count).double())
    scale = torch.linalg.det(similarity[:3, :3]).abs().pow(1 / 3)
    turned = (similarity[:3, :3] / scale) @ found[:, :3, :3]
    rotation = _angles((turned * true[:, :3, :3]).sum((1, 2)))
    spread = (true[:, :3, 3] - true[:, :3, 3].mean(0)).norm(dim=1).mean()
    distance = (transform_points(similarity, found[:, :3, 3]) - true[:, :3, 3]).norm(dim=1) / spread
    return CameraErrors(relative, float(rotation.mean()), float(distance.mean()), float(distance.max()), count)


def _angles(trace: torch.Tensor) -> torch.Tensor:
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).arccos())
