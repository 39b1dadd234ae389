"""Batches of rendered pairs: each like two photos that a person took of one place, with exact geometry.

`python -m pointmap.train.pairs` prints how hard the pairs of the two distributions in `habits.py` are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from pointmap.geometry.transforms import invert_rigid
from pointmap.shapes import Bool, Float, UInt8
from pointmap.train.cameras import CameraPairs, sample_cameras, sample_plans
from pointmap.train.habits import BENCHMARK, TRAINING, CameraSettings
from pointmap.train.random import Random
from pointmap.train.renderer import render
from pointmap.train.scenes import Scenes, sample_scenes

_PATIENCE = 4  # rounds before a plan that suits no place is given up
QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)


@dataclass(frozen=True)
class PairBatch:
    """Rendered pairs with exact geometry."""

    images: UInt8[Tensor, "pairs 2 h w 3"]
    depths: Float[Tensor, "pairs 2 h w"]
    """z-depth, 0 in the sky; float16."""
    intrinsics: Float[Tensor, "pairs 2 3 3"]
    first_from_second: Float[Tensor, "pairs 4 4"]
    overlap: Float[Tensor, "pairs"]
    """Share of each view that the other sees, the smaller of the two."""
    metric: Bool[Tensor, "pairs"]
    """True where depths and translations are metres; elsewhere their unit says nothing (rendered worlds)."""

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor | slice) -> "PairBatch":
        """Some of the pairs."""
        return PairBatch(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device | str) -> "PairBatch":
        """The same on another device."""
        return PairBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @staticmethod
    def cat(batches: "Sequence[PairBatch]") -> "PairBatch":
        """All pairs of several batches of one image size."""
        names = [field.name for field in fields(PairBatch)]
        return PairBatch(**{name: torch.cat([getattr(batch, name) for batch in batches]) for name in names})


def make_pairs(
    count: int,
    size: tuple[int, int],
    random: Random,
    texels: UInt8[Tensor, "texels 3"],
    num_textures: int,
    *,
    settings: CameraSettings = TRAINING,
    min_overlap: float | None = None,
    chunk: int = 4,
) -> PairBatch:
    """Render `count` pairs, each in a world of its own.

    Args:
        size: Height and width.
        settings: How photos are taken.
        min_overlap: Only pairs that share at least so much, and none that are apart, for the easy beginning of a
            training; default: as the settings say.
        chunk: Worlds that are rendered together; few keep the CPU's cache warm, many keep a GPU busy.
    """
    if min_overlap is not None:
        settings = replace(settings, min_overlap=min_overlap, apart=0.0)
    scenes, cameras = draw_pairs(count, size, random, num_textures, settings)
    parts = []
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        parts.append(_photograph(scenes[part], cameras[part], size, texels, num_textures))
    return PairBatch.cat(parts)


def draw_pairs(
    count: int, size: tuple[int, int], random: Random, num_textures: int, settings: CameraSettings = TRAINING
) -> tuple[Scenes, CameraPairs]:
    """Choose `count` worlds and the two cameras in each, without rendering them.

    Every plan is tried in new worlds until it succeeds in one, so that shares of habits do not depend on how often they
    fail.
    """
    plans = sample_plans(count, random, settings)
    waiting = torch.arange(count, device=random.device)
    found: list[tuple[Scenes, CameraPairs, Tensor]] = []
    for attempt in range(1, 10_000):
        tries = -(-max(2 * count, 32) // len(waiting))  # small batches cost as much as large ones
        plan = torch.arange(len(waiting), device=random.device).repeat_interleave(tries)
        worlds = sample_scenes(len(plan), random, num_textures)
        cameras, index = sample_cameras(worlds, plans[plan], random, size, settings)
        plan = plan[index]
        first = torch.ones_like(plan, dtype=torch.bool)
        first[1:] = plan[1:] != plan[:-1]
        found.append((worlds[index[first]], cameras[first], waiting[plan[first]]))
        unmet = torch.ones_like(waiting, dtype=torch.bool)
        unmet[plan] = False
        waiting, plans = waiting[unmet], plans[unmet]
        if len(waiting) == 0:
            break
        if attempt % _PATIENCE == 0:
            plans = sample_plans(len(waiting), random, settings)
    order = torch.cat([slot for _, _, slot in found]).argsort()
    return _join_scenes([worlds for worlds, _, _ in found])[order], CameraPairs.cat([pair for _, pair, _ in found])[
        order
    ]


def pair_quantiles(cameras: CameraPairs) -> dict[str, list[float]]:
    """How hard pairs are: quantiles (`QUANTILES`) of what makes them so, of the overlapping ones among them."""
    cameras = cameras[~cameras.plans.apart]
    first, second = cameras.world_from_cam.unbind(1)
    first_from_second = invert_rigid(first) @ second
    trace = first_from_second[:, :3, :3].diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    values = {
        "relative rotation (deg)": torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos()),
        "angle between lines of sight (deg)": torch.rad2deg(first_from_second[:, 2, 2].clamp(-1, 1).acos()),
        "baseline / median depth": first_from_second[:, :3, 3].norm(dim=-1) / cameras.depth[:, 0],
        "overlap": cameras.overlap,
    }
    q = torch.tensor(QUANTILES, device=first.device)
    return {name: torch.quantile(value, q).tolist() for name, value in values.items()}


def _photograph(
    scenes: Scenes, cameras: CameraPairs, size: tuple[int, int], texels: Tensor, num_textures: int
) -> PairBatch:
    intrinsics = cameras.plans.intrinsics(size)
    rendering = render(scenes, cameras.world_from_cam, intrinsics, size, texels, num_textures)
    first, second = cameras.world_from_cam.unbind(1)
    return PairBatch(
        images=(rendering.images * 255).round().to(torch.uint8),
        depths=rendering.depths.half(),
        intrinsics=intrinsics,
        first_from_second=invert_rigid(first) @ second,
        overlap=cameras.overlap,
        metric=torch.zeros_like(cameras.overlap, dtype=torch.bool),
    )


def _join_scenes(parts: Sequence[Scenes]) -> Scenes:
    return Scenes(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Scenes)})


def _print_quantiles(count: int = 4000) -> None:
    for name, settings in (("training", TRAINING), ("benchmark", BENCHMARK)):
        _, cameras = draw_pairs(count, (80, 112), Random(0), 32, settings)
        print(f"{name:<36}" + "".join(f"{q:>8.0%}" for q in QUANTILES))
        for quantity, row in pair_quantiles(cameras).items():
            print(f"{quantity:<36}" + "".join(f"{value:8.2f}" for value in row))
        apart = cameras.plans.apart.float().mean().item()
        print(f"{count} pairs, {apart:.1%} of them without overlap\n")


if __name__ == "__main__":
    _print_quantiles()
