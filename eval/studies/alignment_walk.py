"""Predictions of long walks, made when they are asked for: the noise of tests/golden_inputs.py from stored fields."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pointmap.scene import Group, LazyGroup

from .alignment_scenes import AlignmentScene, golden_inputs

_STEP = 0.2
"""Between neighbours along the walk; photos are 3.6 wide on the ground, so that the tenth next one shares half."""
_HEIGHT = 3.6
_FIELDS = 64
_NOISE, _WARP = 0.006, 0.01


class Walk:
    """Cameras above a wavy ground, along a closed loop: each with its `neighbours` nearest as pairs, both orders.

    Cameras are 3.6 above the ground, turned by up to some degrees from straight down, upright in the direction of the
    walk, with focal lengths within 5 % of the long side.

    A prediction has the noise of `alignment_scenes.synthetic`: a scale exp(0.3 n) of the pair, a smooth warp of 1 %,
    Gaussian noise that grows with the square of the depth, confidences that fall with depth and baseline. Smooth fields
    and Gaussian numbers are drawn once and used at random places, so that a pair takes a millisecond.

    Args:
        neighbours: Of each view, half of them on either side; even.
    """

    def __init__(self, views: int, neighbours: int, width: int, height: int, *, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.size, self.neighbours, self._seed = (height, width), neighbours, seed
        self.world_from_cam = np.stack([_pose(k, views, random) for k in range(views)])
        self.focals = max(width, height) * random.uniform(0.95, 1.05, views)
        self.centres = np.tile([width / 2, height / 2], (views, 1))
        y, x = np.mgrid[:height, :width]
        self._offsets = torch.from_numpy(np.stack([x - width / 2, y - height / 2]).reshape(2, -1)).float()
        self._depths = torch.stack([self._depth(k) for k in range(views)])
        self._means = self._depths.mean(1).tolist()
        stream = np.random.RandomState(seed)
        fields = [golden_inputs.smooth_field(stream, height, width).ravel() for _ in range(_FIELDS)]
        self._smooth = torch.from_numpy(np.stack(fields)).float()
        generator = torch.Generator().manual_seed(seed)
        self._normal = torch.randn(24 * height * width, generator=generator)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All ordered pairs."""
        count, half = len(self.focals), self.neighbours // 2
        pairs = {(i, (i + step) % count) for i in range(count) for step in range(1, half + 1)}
        return sorted(pairs | {(j, i) for i, j in pairs})

    def predict(self, i: int, j: int) -> Group:
        """The noisy pair, the same one at every call."""
        random = np.random.default_rng([self._seed, i, j])
        scale = float(np.exp(0.3 * random.standard_normal()))
        i_from_world = np.linalg.inv(self.world_from_cam[i])
        baseline = float(np.linalg.norm(self.world_from_cam[i, :3, 3] - self.world_from_cam[j, :3, 3]))
        points, confidences = [], []
        for view in (i, j):
            depth, mean = self._depths[view], self._means[view]
            warp, tone = random.integers(_FIELDS, size=2)
            begin = int(random.integers(len(self._normal) - 3 * len(depth)))
            xyz = self._normal[begin : begin + 3 * len(depth)].view(3, -1) * (depth.square() * (_NOISE / mean))
            distorted = torch.addcmul(depth, depth, self._smooth[warp], value=_WARP)
            xyz[:2].addcmul_(self._offsets, distorted, value=1 / self.focals[view])
            xyz[2] += distorted
            i_from_view = torch.from_numpy(scale * (i_from_world @ self.world_from_cam[view])[:3]).float()
            points.append(torch.addmm(i_from_view[:, 3], xyz.T, i_from_view[:, :3].T).view(*self.size, 3))
            level = 1.6 + 1.5 - 0.35 * baseline - 0.3 * (view == j)
            logit = torch.add(0.8 * self._smooth[tone], depth, alpha=-1.5 / mean).add_(level)
            confidences.append(logit.exp_().add_(1).view(self.size))
        return Group((i, j), points, confidences)

    def scene(self, load: Callable[[int, int], Group] | None = None) -> AlignmentScene:
        """All pairs with the truth.

        Args:
            load: What gives a pair when it is needed; without it all are made now.
        """
        pairs = self.pairs
        lazy = load and [LazyGroup(pair, partial(load, *pair)) for pair in pairs]
        groups = lazy or [self.predict(*pair) for pair in pairs]
        name = f"{len(self.focals)} views, {self.neighbours} neighbours"
        depths = [depth.view(self.size).numpy() for depth in self._depths]
        return AlignmentScene(name, groups, self.world_from_cam, self.focals, self.centres, depths)

    def _depth(self, view: int) -> Tensor:
        rays = torch.cat([self._offsets / self.focals[view], torch.ones_like(self._offsets[:1])])
        pose = torch.from_numpy(self.world_from_cam[view]).float()
        x, y, z = pose[:3, :3] @ rays
        depth = torch.full_like(x, _HEIGHT)
        for _ in range(30):  # damped fixed point on the depth
            at = pose[:3, 3, None] + depth * torch.stack([x, y, z])
            depth += 0.7 * (_ground(at[0], at[1]) - at[2]) / z
        return depth


class TimedLoader:
    """Gives pairs, and counts how often and how long."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self.loads, self.wall_seconds, self.cpu_seconds = 0, 0.0, 0.0

    def __call__(self, i: int, j: int) -> Group:
        wall, cpu = time.perf_counter(), time.thread_time()
        group = self._walk.predict(i, j)
        self.loads += 1
        self.wall_seconds += time.perf_counter() - wall
        self.cpu_seconds += time.thread_time() - cpu
        return group


def _pose(number: int, views: int, random: np.random.Generator) -> np.ndarray:
    angle, radius = 2 * np.pi * number / views, max(1.2, _STEP * views / (2 * np.pi))
    across, along = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    centre = (radius + 0.2 * random.uniform(-1, 1)) * across + [0, 0, 0.3 * random.uniform(-1, 1) - _HEIGHT]
    below = radius * across + 0.4 * random.uniform(-1, 1) * across + 0.4 * random.uniform(-1, 1) * along
    return golden_inputs.look_at(centre, below, up=along)


def _ground(x: Tensor, y: Tensor) -> Tensor:
    """`golden_inputs.surface` for tensors."""
    return (
        0.35 * (1.3 * x + 0.4).sin() * (1.1 * y - 0.3).cos()
        + 0.20 * (2.1 * y + 0.7 * x).sin()
        + 0.12 * (2.7 * x - 1.9 * y + 0.5).cos()
    )
