"""Predictions whose truth is known: exact or noisy pointmaps of cameras that we chose."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import golden_inputs
import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from pointmap.scene import Group

SCENES = ["n4", "n5swin", "n3mixed"]
"""Of tests/golden/post/alignment_*."""

MIXED = [(30, 44), (44, 30), (26, 44), (30, 44)]
"""Image sizes, (height, width)."""


@dataclass(frozen=True)
class Truth:
    """Cameras and depths of a wavy ground, seen by images of several shapes with off-centre principal points."""

    shapes: list[tuple[int, int]]
    world_from_cam: np.ndarray
    intrinsics: np.ndarray
    depths: list[np.ndarray]

    def points(self, view: int, frame: int) -> np.ndarray:
        """(h, w, 3) exact points of a view in the camera frame of another."""
        height, width = self.shapes[view]
        v, u = np.mgrid[:height, :width]
        rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(self.intrinsics[view]).T
        cam_from_view = np.linalg.inv(self.world_from_cam[frame]) @ self.world_from_cam[view]
        return (rays * self.depths[view][..., None]) @ cam_from_view[:3, :3].T + cam_from_view[:3, 3]


def make_truth(
    shapes: list[tuple[int, int]],
    *,
    seed: int = 0,
    offset: tuple[float, float] = (0.0, 0.0),
    same_place: bool = False,
    identical: bool = False,
) -> Truth:
    """Cameras around a wavy ground, 3 away.

    Args:
        offset: Of the principal points from the image centres, in pixels.
        same_place: All cameras at one place, turned differently.
        identical: All cameras equal.
    """
    random = np.random.default_rng(seed)
    poses, focals = [], []
    for k, (height, width) in enumerate(shapes):
        angle = 2 * np.pi * k / len(shapes)
        centre = np.array([np.cos(angle), 0.8 * np.sin(angle), -3.2 + 0.3 * random.uniform(-1, 1)])
        target = np.append(0.3 * random.uniform(-1, 1, 2), 0.0)
        if same_place:
            centre = np.array([0.2, 0.1, -3.0])
        if identical:
            target = np.zeros(3)
        poses.append(golden_inputs.look_at(centre, target))
        focals.append(max(height, width) * (1.0 if identical else random.uniform(0.8, 1.2)))
    return photograph(shapes, poses, focals, offset=offset)


def photograph(
    shapes: list[tuple[int, int]],
    poses: list[np.ndarray],
    focals: list[float],
    *,
    offset: tuple[float, float] = (0.0, 0.0),
    surface: Callable[[np.ndarray, np.ndarray], np.ndarray] = golden_inputs.surface,
) -> Truth:
    """What cameras of one's choice see of a ground z = surface(x, y), which they look at from below z = 0."""
    matrices, depths = [], []
    for (height, width), pose, focal in zip(shapes, poses, focals, strict=True):
        matrix = np.array(
            [[focal, 0, (width - 1) / 2 + offset[0]], [0, focal, (height - 1) / 2 + offset[1]], [0, 0, 1]], float
        )
        v, u = np.mgrid[:height, :width]
        rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(matrix).T @ pose[:3, :3].T
        depth = -pose[2, 3] / rays[..., 2]
        for _ in range(60):  # damped fixed point on the depth
            p = pose[:3, 3] + depth[..., None] * rays
            depth += 0.7 * (surface(p[..., 0], p[..., 1]) - p[..., 2]) / rays[..., 2]
        matrices.append(matrix)
        depths.append(depth)
    return Truth(shapes, np.stack(poses), np.stack(matrices), depths)


def make_group(
    truth: Truth, views: tuple[int, ...], *, scale: float = 1.0, noise: float = 0.0, confidence: float = 5.0
) -> Group:
    """What a network would predict for these views, in the frame of the first."""
    random = np.random.default_rng([*views, 7])
    points, confidences = [], []
    for view in views:
        exact = truth.points(view, views[0])
        points.append((scale * (exact + noise * random.standard_normal(exact.shape))).astype(np.float32))
        confidences.append(np.full(exact.shape[:2], confidence, np.float32))
    return Group(views, points, confidences)


def make_groups(truth: Truth, pairs: list[tuple[int, int]], **settings: float) -> list[Group]:
    """One group per pair, each with a scale of its own."""
    return [make_group(truth, pair, scale=0.5 + 0.3 * number, **settings) for number, pair in enumerate(pairs)]


def complete(num_views: int) -> list[tuple[int, int]]:
    """All ordered pairs."""
    return [(i, j) for i in range(num_views) for j in range(num_views) if i != j]


def pose_errors(world_from_cam: np.ndarray, truth: Truth) -> tuple[float, float]:
    """Largest rotation error in degrees, and largest centre error by the mean radius, after the best similarity."""
    errors = golden_inputs.pose_errors(world_from_cam, truth.world_from_cam)
    return errors["rel_rot_deg_max"], errors["trans_rel_max"]


def relative_rotation_error(world_from_cam: np.ndarray, truth: Truth, i: int, j: int) -> float:
    """Degrees between the estimated and the true rotation from view j to view i."""
    found = world_from_cam[i, :3, :3].T @ world_from_cam[j, :3, :3]
    true = truth.world_from_cam[i, :3, :3].T @ truth.world_from_cam[j, :3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(found @ true.T) - 1) / 2, -1, 1))))


def read_golden(golden_dir: Path, scene: str) -> tuple[dict[str, Tensor], list[Group]]:
    """Inputs and numbers of the public reference for one scene of `SCENES`."""
    data = load_file(golden_dir / "post" / f"alignment_{scene}.safetensors")
    groups = [
        Group(
            views=(i, j),
            points=[data[f"pred.{e}.pts_i"], data[f"pred.{e}.pts_j"]],
            confidences=[data[f"pred.{e}.conf_i"], data[f"pred.{e}.conf_j"]],
        )
        for e, (i, j) in enumerate(data["edges"].tolist())
    ]
    return data, groups


def place_in(scene, place):
    """The camera, or the point that a pixel shows."""
    if isinstance(place, int):
        return scene.world_from_cam[place, :3, 3]
    view, x, y = place
    ray = np.linalg.inv(scene.intrinsics[view]) @ [x, y, 1]
    point = scene.depths[view][round(y), round(x)] * ray
    return scene.world_from_cam[view, :3, :3] @ point + scene.world_from_cam[view, :3, 3]
