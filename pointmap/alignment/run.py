"""Global alignment: predictions of overlapping groups of photos in, one world with cameras and depths out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pointmap.alignment.covariance import camera_information
from pointmap.alignment.dense import dense_views
from pointmap.alignment.given import Given, matrices, read_known, tied, wanted_pixels
from pointmap.alignment.known_depths import KnownDepths
from pointmap.alignment.known_world import place, start_in_known_world
from pointmap.alignment.parts import Part, connected, sentences, silent_predictions
from pointmap.alignment.pixels import Swept, sweep
from pointmap.alignment.problem import AnyGroup, Problem, make_problem
from pointmap.alignment.quality import measure_quality
from pointmap.alignment.result import Alignment
from pointmap.alignment.sampled_priors import SampledPriors, sample_priors
from pointmap.alignment.sampling import Sample, draw_sample
from pointmap.alignment.solver import History, linear_system, solve
from pointmap.alignment.start import Start, move_to_known_poses, place_views, resect_cameras
from pointmap.alignment.state import BASE_SCALE, Fixed, State, mean_scale
from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.shapes import Float

Refine = Literal["align", "none"]

_MAX_PASSES = 60
# Few pixels find the cameras; more, and at last all of small problems, bring the loss down to the fifth digit in the
# passes that are left to do then. Within a budget of points of all observations, so that memory does not grow
# without bound with the number of groups.
_STAGES = ((500, 500_000), (3_000, 1_000_000), (40_000, 20_000_000))
"""Pixels per view, and points of all observations together, at most."""
_LEAST_PIXELS = 256
_SMALL = 50_000
"""So few points of all observations together are all used from the beginning."""
_FEW = 0.05
"""By this factor the tolerance is lower on few pixels, where passes are cheap."""
_LAST_PASSES = 2


def align(
    groups: Sequence[AnyGroup],
    *,
    num_views: int | None = None,
    shapes: Sequence[tuple[int, int]] | None = None,
    refine: Refine = "align",
    intrinsics: Any = None,
    world_from_cam: Any = None,
    depths: Any = None,
    masks: Any = None,
    gravity: Any = None,
    distances: Any = None,
    principal_points: np.ndarray | None = None,
    shared_focal: bool | Sequence[int] = False,
    pixels_per_view: int = _STAGES[-1][0],
    tolerance: float = 1e-5,
    device: torch.device | str = "cpu",
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Alignment:
    """Bring the pointmaps of all groups into one world, with a pinhole camera and a depth map per view.

    Minimises the objective of DUSt3R's global alignment (`AlignmentObjective`) by reweighted least squares. Views that
    nothing ties to the largest connected part are not registered.

    Args:
        groups: Predictions, each in the frame of its first view's camera, up to scale.
        num_views: Number of photos; default one more than the largest index in `groups`.
        shapes: (height, width) of every working image, for photos that no group shows.
        refine: "align": the full solution. "none": stop at its start, robust averages of the relations between views.
        intrinsics: Per view 3x3 pinhole K in pixels of the working image, or None where it is not known. Kept, unless
            wrapped as `Soft(K, sigma of log focal length)`; the principal point is kept then, too.
        world_from_cam: Per view a rigid 4x4 pose, or None (or NaN) where it is not known. Kept, unless wrapped as
            `Soft(pose, (degrees, world units))`, where infinity leaves a rotation or position open. Poses at different
            places set the world's scale.
        depths: Per view a map (h, w) of z-depths in world units, 0 or NaN at pixels where they are not known; or None.
            Kept, unless wrapped as `Soft(map, sigma of log depth)`, which some wrong pixels do not disturb. They set
            the world's scale.
        masks: Per view a map (h, w), non-zero = keep; or None. Hidden pixels have no influence, depth 0 and
            confidence 1.
        gravity: Per view the direction in which things fall as a vector in the camera frame (x right, y down, z
            forward), or None; `Soft(vector, degrees)` where not exact. The world's y axis then points there.
        distances: `KnownDistance`s between cameras or pixels of working images, which set the world's scale. Where
            exact poses or depths contradict them, or gravity, these win, and `dropped` says by how much they differ.
        principal_points: (N, 2) x and y in pixels, default the image centres ((W - 1) / 2, (H - 1) / 2). `intrinsics`
            take precedence.
        shared_focal: All views without known intrinsics have one focal length (in working pixels); or a number per
            view: those with the same number have one.
        pixels_per_view: At most so many pixels of each view determine the cameras; all pixels get a depth.
        tolerance: Stop when a pass lowers the loss by less than this part of it; about half as much is left then.
        seed: Of the choice of these pixels.
        progress: Called with ("align", done, total); may raise to stop.

    Raises:
        InputError: The groups contradict each other, a setting has the wrong form, or no prediction is usable.
    """
    return next(_scenes(every=False, **locals()))


def align_all(groups: Sequence[AnyGroup], **settings: Any) -> list[Alignment]:
    """As `align`, with one result per connected part of the views, each in a world of its own: the largest part first.

    All views and groups keep their numbers; `reasons` and `dropped` of each result say where the others are.

    Args:
        groups, settings: As for `align`.

    Raises:
        InputError: As by `align`.
    """
    defaults = {name: p.default for name, p in signature(align).parameters.items() if name != "groups"}
    found = list(_scenes(every=True, groups=groups, **(defaults | settings)))
    return sorted(found, key=lambda alignment: -int(alignment.registered.sum()))


def _scenes(
    *,
    every: bool,
    groups: Sequence[AnyGroup],
    num_views: int | None,
    shapes: Sequence[tuple[int, int]] | None,
    refine: Refine,
    intrinsics: Any,
    world_from_cam: Any,
    depths: Any,
    masks: Any,
    gravity: Any,
    distances: Any,
    principal_points: np.ndarray | None,
    shared_focal: bool | Sequence[int],
    pixels_per_view: int,
    tolerance: float,
    device: torch.device | str,
    seed: int,
    progress: ProgressCallback | None,
) -> Iterator[Alignment]:
    """The alignment of one connected part after the other; see `align`.

    Args:
        every: Otherwise progress ends with the first.
    """
    if refine not in ("align", "none"):
        raise InputError(f"Unknown refinement {refine!r}; choose 'align' or 'none'.")
    observations = max(1, sum(len(group.views) for group in groups))
    whole = make_problem(
        groups,
        num_views=num_views,
        shapes=shapes,
        masks=masks,
        wanted=wanted_pixels(depths, distances),
        pixels_per_view=min(pixels_per_view, _stage_pixels(observations)[-1]),
        seed=seed,
        device=device,
    )
    given = read_known(
        whole.shapes,
        intrinsics,
        world_from_cam,
        principal_points,
        shared_focal,
        depths=depths,
        gravity=gravity,
        distances=distances,
        device=whole.device,
    )
    pending = connected(whole)
    report = _Progress(progress, _MAX_PASSES + whole.num_views, len(pending) if every else 1)
    placed = False
    while pending:
        part = pending.pop(0)
        sample = draw_sample(part.problem, given.centres, given.aspects)
        start = place_views(part.problem, sample, given.focals, given.fixed)
        if start.lost:
            kept, others = part.split(start.lost, "too few of its pixels agree on a camera")
            # A part of which no camera can be found ends here.
            pending = sorted([*kept, *(others if kept else []), *pending], key=lambda part: -len(part.views))
            continue
        placed = True
        yield _aligned(whole, part, sample, start, given, refine, tolerance, report)
        report.next_part()
    if not placed:
        raise InputError(
            f"None of the {whole.num_views} views could be placed: too few of their pixels agree on a camera. Check "
            f"the predictions."
        )


def _aligned(
    whole: Problem,
    part: Part,
    sample: Sample,
    start: Start,
    given: Given,
    refine: Refine,
    tolerance: float,
    report: "_Progress",
) -> Alignment:
    """The alignment of one connected part of which the start is known."""
    problem, registered = part.problem, part.views
    state, sample = start.state, sample.reweighted(start.group_weights)
    fixed = tied(given, registered)
    if bool(fixed.poses.any()):
        state = move_to_known_poses(sample, state, fixed, given.known_poses)
    priors = sample_priors(problem, sample, given, registered)
    if priors is not None:
        state = start_in_known_world(sample, state, priors, registered)
    told = priors is not None and priors.priors.tell_scale
    scale_known = told or fixed.scale
    fixed = replace(fixed, scale=told or bool(fixed.poses.any()))
    history = History()
    if refine == "none":
        at = sweep(sample, resect_cameras(sample, state, fixed))
    else:
        at = _solved(sample, state, fixed, history, priors, tolerance, report)
    report(_MAX_PASSES)
    anchor = next((view for view in registered if bool(given.fixed.poses[view])), registered[0])
    quality = measure_quality(sample, at.state)
    intrinsics_found = matrices(at.state.focals, given)
    known = {} if priors is None else priors.known_maps(priors.unit(sample, at.loss))
    depth_maps, confidences, loss = _dense_maps(part, at.state, intrinsics_found, sample.group_weights, known, report)
    mask = torch.zeros(whole.num_views, dtype=torch.bool, device=whole.device)
    mask[registered] = True
    alignment = Alignment(
        world_from_cam=at.state.world_from_cam.where(mask[:, None, None], torch.nan).cpu().numpy(),
        intrinsics=intrinsics_found.cpu().numpy(),
        depths=depth_maps,
        confidences=confidences,
        registered=mask.cpu().numpy(),
        world_from_group=_of_all_groups(whole, part, at.state.world_from_group, torch.nan),
        loss=loss,
        history=history.losses,
        times=history.seconds,
        dropped=[*_left_out(whole, part), *start.contradictions],
        reasons=part.reasons,
        group_views=[tuple(group.views) for group in whole.groups],
        group_weights=_of_all_groups(whole, part, sample.group_weights, 0.0),
        group_residuals=_of_all_groups(whole, part, quality.group_residuals, torch.nan),
        view_residuals=quality.view_residuals.cpu().numpy(),
        information=camera_information(
            sample,
            at,
            linear_system(sample, fixed, priors),
            priors,
            smoothness=quality.smoothness,
            anchor=anchor,
            scale_known=scale_known,
        ),
    )
    report(_MAX_PASSES + whole.num_views)
    return place(alignment, given.cpu(), keep_scale=priors is not None and priors.keep_scale)


def _solved(
    sample: Sample,
    state: State,
    fixed: Fixed,
    history: History,
    priors: SampledPriors | None,
    tolerance: float,
    report: "_Progress",
) -> Swept:
    """The solution on few pixels, on more, and on all that were sampled."""
    observations = len(sample.group_of)
    sizes = sorted({min(size, sample.size) for size in _stage_pixels(observations)})
    sizes = sizes if sample.size * observations > _SMALL else sizes[-1:]
    if priors is not None and len(sizes) == 1:
        sizes *= 2  # what the predictions are worth beside the priors is known after a first solution only
    for stage, size in enumerate(sizes):
        part, before = sample.fewer(size), stage * _MAX_PASSES // len(sizes)
        at = solve(
            part,
            state,
            fixed,
            history,
            priors=priors,
            rounds=4 if stage == 0 else 1,
            max_passes=_LAST_PASSES if stage == len(_STAGES) - 1 else _MAX_PASSES // len(sizes),
            tolerance=tolerance * (_FEW if stage == 0 else 1),
            on_pass=lambda done, before=before: report(before + done),
        )
        state = at.state
        if stage == 0 and priors is not None:
            priors.smoothness = measure_quality(part, state).smoothness
    return at


def _stage_pixels(observations: int) -> list[int]:
    return [min(size, max(_LEAST_PIXELS, budget // observations)) for size, budget in _STAGES]


class _Progress:
    """Progress of parts that are aligned one after the other, each of which counts from 0."""

    def __init__(self, callback: ProgressCallback | None, of_part: int, parts: int) -> None:
        self._callback, self._of_part, self._parts, self._part = callback, of_part, parts, 0

    def __call__(self, done: int) -> None:
        if self._callback is not None:
            total = self._of_part * self._parts
            self._callback("align", min(self._part * self._of_part + done, total), total)

    def next_part(self) -> None:
        """What is reported from now on is of another part."""
        self._part += 1


def _left_out(whole: Problem, part: Part) -> list[str]:
    """Views that are not registered, and predictions of the others that say nothing."""
    silent = silent_predictions(whole)
    return sentences(part.reasons) + sentences({view: silent[view] for view in part.views if view in silent})


def _of_all_groups(
    whole: Problem, part: Part, values: Float[Tensor, "some *rest"], missing: float
) -> Float[np.ndarray, "groups *rest"]:
    """What is known of the groups of a part, with something else for all others."""
    everything = torch.full((whole.num_groups, *values.shape[1:]), missing).to(values)
    everything[part.problem.group_ids] = values
    return everything.cpu().numpy()


def _dense_maps(
    part: Part,
    state: State,
    intrinsics: Float[Tensor, "views 3 3"],
    group_weights: Float[Tensor, "groups"],
    known: dict[int, KnownDepths],
    report: _Progress,
) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Depths and confidences of all pixels, and the loss over all of them."""
    problem = part.problem
    depths = [np.full(shape, np.nan, np.float32) for shape in problem.shapes]
    confidences = [np.ones(shape, np.float32) for shape in problem.shapes]
    loss = 0.0
    maps = dense_views(
        problem, part.views, intrinsics, state.world_from_cam, state.world_from_group, group_weights, known=known
    )
    for done, dense in enumerate(maps):
        report(_MAX_PASSES + done)
        depths[dense.view] = dense.depth.cpu().numpy()
        confidences[dense.view] = dense.confidence.cpu().numpy()
        loss += dense.loss
    return depths, confidences, loss * BASE_SCALE / float(mean_scale(state.world_from_group, group_weights))
