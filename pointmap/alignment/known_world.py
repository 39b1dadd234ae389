"""The frame of the world: predictions leave it open, what the caller knows may settle it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.given import Given, read_known, tied
from pointmap.alignment.per_view import PerView
from pointmap.alignment.pixels import sweep
from pointmap.alignment.prior_terms import Priors, Seen, ends_of
from pointmap.alignment.result import Alignment
from pointmap.alignment.sampled_priors import SampledPriors
from pointmap.alignment.sampling import Sample
from pointmap.alignment.state import State, mean_scale
from pointmap.geometry.similarity import align_cameras, fit_similarity, invert_similarity, move_cameras
from pointmap.geometry.transforms import rigid
from pointmap.shapes import Float

_START_PIXELS = 500
_PIXELS = 5000
"""Of each known depth map, to find the scale of the world."""
_NOTE_SIGMAS = 3.0
_NOTE_LEAST = 1e-3
"""A distance or direction that disagrees by more than so many sigmas, and by more than this, is named."""


def to_known_world(
    alignment: Alignment,
    *,
    world_from_cam: PerView = None,
    depths: PerView = None,
    gravity: PerView = None,
    distances: Any = None,
) -> Alignment:
    """Move, turn and scale a finished alignment to agree best with what is known; its shape stays as it is.

    For cameras that were changed after `align`, which does this itself. Everything is given as there; exact depths
    replace what was found.
    """
    shapes = [(depth.shape[0], depth.shape[1]) for depth in alignment.depths]
    given = read_known(shapes, None, world_from_cam, depths=depths, gravity=gravity, distances=distances)
    placed = place(alignment, given)
    maps = list(placed.depths)
    for view in np.flatnonzero((given.depth_sigmas == 0).numpy() & alignment.registered).tolist():
        known = given.depths[view]
        assert known is not None
        maps[view] = np.where(known > 0, known, maps[view]).astype(maps[view].dtype)
    return replace(placed, depths=maps)


def place(alignment: Alignment, given: Given, *, keep_scale: bool = False) -> Alignment:
    """An alignment in the world that is known, with notes on what contradicts it.

    Exact poses that hold the solution (`tied`) stay: at most the scale about them is open. Else the world is that of
    one exact pose, or that in which soft ones agree best, or has the first registered camera at its origin: unturned,
    unless gravity says otherwise.
    """
    registered = np.flatnonzero(alignment.registered).tolist()
    if not registered:
        return alignment
    priors = Priors(given, registered)
    world_from_cam = _orthonormal(torch.from_numpy(alignment.world_from_cam), registered)
    seen = see(
        priors,
        world_from_cam,
        torch.from_numpy(alignment.intrinsics),
        [torch.from_numpy(depth) for depth in alignment.depths],
    )
    motion = world_motion(priors, seen, registered, keep_scale=keep_scale)
    scale = float(torch.linalg.det(motion[:3, :3]) ** (1 / 3))
    poses = move_cameras(motion, world_from_cam).numpy()
    poses[~alignment.registered] = np.nan
    exact = given.fixed.poses.numpy() & alignment.registered
    if int(exact.sum()) == 1 or bool(tied(given, registered).poses.any()):
        poses[exact] = given.known_poses.numpy()[exact]
    return replace(
        alignment,
        world_from_cam=poses,
        world_from_group=(motion @ torch.from_numpy(alignment.world_from_group)).numpy(),
        depths=[(depth * scale).astype(depth.dtype) for depth in alignment.depths],
        dropped=[*alignment.dropped, *disagreements(priors, seen.moved(motion))],
    )


def at_predicted_scale(alignment: Alignment) -> Alignment:
    """The world in the unit of the predictions: their similarities get a geometric mean scale of 1.

    For networks that predict metres. About the world's origin.
    """
    counts = np.isfinite(alignment.world_from_group).all((1, 2)) & (alignment.group_weights > 0)
    similarities = torch.from_numpy(alignment.world_from_group[counts])
    factor = 1 / float(mean_scale(similarities, torch.from_numpy(alignment.group_weights[counts])))
    poses, groups = alignment.world_from_cam.copy(), alignment.world_from_group.copy()
    poses[:, :3, 3] *= factor
    groups[:, :3] *= factor
    depths = [(depth * factor).astype(depth.dtype) for depth in alignment.depths]
    return replace(alignment, world_from_cam=poses, world_from_group=groups, depths=depths)


def start_in_known_world(sample: Sample, state: State, priors: SampledPriors, registered: list[int]) -> State:
    """A state, whose depths do not count, in the world that is known."""
    few = sample.fewer(_START_PIXELS)
    seen = priors.seen(sweep(few, state).state)
    motion = world_motion(priors.priors, seen, registered, anchored=False)
    fixed = tied(priors.priors.given, registered)
    cameras = move_cameras(motion, state.world_from_cam)
    return replace(
        state,
        world_from_cam=torch.where(fixed.poses[:, None, None], state.world_from_cam, cameras),
        world_from_group=motion @ state.world_from_group,
    )


def world_motion(
    priors: Priors, seen: Seen, registered: list[int], *, keep_scale: bool = False, anchored: bool = True
) -> Float[Tensor, "4 4"]:
    """The similarity that takes a world to the one that is known; see `place`.

    Args:
        keep_scale: The scale is right already.
        anchored: Whether to turn and move the world where nothing is known of that.
    """
    given, poses = priors.given, seen.world_from_cam
    fixed = tied(given, registered)
    exact = [view for view in registered if bool(given.fixed.poses[view])]
    total = torch.eye(4).to(poses)
    free = torch.ones(7, dtype=torch.bool, device=poses.device)
    if exact:
        anchor = exact[0]
        free[:6] = False
        if not bool(fixed.poses.any()):
            total = given.known_poses[anchor] @ invert_similarity(poses[anchor])
    elif priors.place_the_world:
        anchor = int(priors.pose_sigmas.amin(1).argmin())
        total = _towards_soft_poses(priors, poses, keep_scale)
    else:
        anchor = registered[0]
        if anchored:
            total = invert_similarity(poses[anchor])
    free[6] = priors.tell_scale and not keep_scale and not fixed.scale
    seen = seen.moved(total)
    return priors.settle(seen, centre=seen.world_from_cam[anchor, :3, 3], free=free) @ total


def see(
    priors: Priors,
    world_from_cam: Float[Tensor, "views 4 4"],
    intrinsics: Float[Tensor, "views 3 3"],
    depths: Sequence[Float[Tensor, "_ _"]],
) -> Seen:
    """What priors speak of, from whole depth maps."""
    ratios = torch.full((len(priors.mapped), _PIXELS), torch.nan, dtype=torch.float64, device=world_from_cam.device)
    for row, view in enumerate(priors.mapped.tolist()):
        known = priors.given.depths[view]
        assert known is not None
        both = (known > 0) & (depths[view] > 0)
        log = (depths[view][both].double() / known[both]).log()
        few = log[:: len(log) // _PIXELS + 1]
        ratios[row, : len(few)] = few
    ends = torch.zeros(len(priors.distances), 2, 3).to(ratios)
    for number, known_distance in enumerate(priors.distances):
        for side, place in enumerate((known_distance.a, known_distance.b)):
            if isinstance(place, tuple):
                view, x, y = place
                depth = float(depths[view][round(y), round(x)])
                K = intrinsics[view]
                ray = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(K[0, 0])])
                ends[number, side] = depth * ray
    return Seen(world_from_cam.double(), intrinsics[:, 0, 0].double(), ends, ratios)


def disagreements(priors: Priors, seen: Seen) -> list[str]:
    """What is known and yet not so in a solution, in words; and distances of which nothing can be said."""
    notes = []
    ratios, tilts = priors.off(seen)
    of_distance = dict(zip(map(id, priors.distances), ratios.tolist(), strict=True))
    for number, known in enumerate(priors.given.distances):
        views = sorted(set(ends_of(known)))
        between = f"View{'s' * (len(views) > 1)} {', '.join(map(str, views))}: distances[{number}]"
        off = of_distance.get(id(known))
        if off is None:
            notes.append(f"{between} says nothing, because not both ends are registered.")
        elif np.isnan(off):
            notes.append(f"{between} says nothing, because no depth was found at such a pixel.")
        elif abs(off) > max(_NOTE_LEAST, _NOTE_SIGMAS * (known.sigma or 0.0)):
            notes.append(
                f"{between} is {known.length * np.exp(off):.6g}, not {known.length:.6g} as given: what else is known "
                f"contradicts it."
            )
    for view, off in enumerate(tilts.tolist()):
        if off > max(_NOTE_LEAST, _NOTE_SIGMAS * float(priors.given.gravity_sigmas[view])):
            notes.append(f"View {view}: gravity as given is {np.degrees(off):.2f} degrees off the world's y axis.")
    return notes


def _orthonormal(poses: Float[Tensor, "views 4 4"], registered: list[int]) -> Float[Tensor, "views 4 4"]:
    """Rigid to the last digit."""
    left, _, right = torch.linalg.svd(poses[registered, :3, :3])
    poses = poses.clone()
    poses[registered, :3, :3] = left @ right
    return poses


def _towards_soft_poses(priors: Priors, poses: Float[Tensor, "views 4 4"], keep_scale: bool) -> Float[Tensor, "4 4"]:
    """A first motion to the world of soft poses, near the best one."""
    known, sigmas = priors.given.known_poses, priors.pose_sigmas
    placed, turned = sigmas[:, 1].isfinite(), sigmas[:, 0].isfinite()
    weights = sigmas[:, 1].pow(-2)
    weights = weights / weights.max().clamp_min(1e-300)
    centres = known[placed][:, :3, 3]
    apart = len(centres) > 1 and float((centres - centres[0]).norm(dim=-1).max()) > 0
    if apart and bool(turned[placed].all()) and not keep_scale:
        return align_cameras(poses, known, weights)
    if apart and not bool(turned.any()):
        return fit_similarity(poses[:, :3, 3], known[:, :3, 3], weights, with_scale=not keep_scale)
    if not bool(turned.any()):
        surest = int(sigmas[:, 1].argmin())
        return rigid(torch.eye(3).to(poses), known[surest, :3, 3] - poses[surest, :3, 3])
    surest = int(sigmas[:, 0].argmin())
    return known[surest] @ invert_similarity(poses[surest])
