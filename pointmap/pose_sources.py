"""Cameras from the network and from structure from motion: which of them the photos bear out, and both together.

Both answers are judged by the same witnesses: keypoints that lie on their epipolar lines, of all pairs in which enough
keypoints agree on any epipolar geometry at all. Photos that structure from motion did not register are placed by the
network, moved into its frame by the photos that both have, and everything is adjusted together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pointmap.alignment import Alignment
from pointmap.errors import InputError
from pointmap.extras import require
from pointmap.geometry.matching import PairMatches
from pointmap.match import EpipolarMatches, join_keypoints, near_epipolar_lines
from pointmap.pairs import connected_parts
from pointmap.posing import Beside, Posed, Priors, pose_views
from pointmap.progress import ProgressCallback
from pointmap.scene import Group, View
from pointmap.sfm import SfmModel
from pointmap.shapes import Bool, Float, Int
from pointmap.structure import as_alignment, as_priors, joined_with, map_keypoints

PoseSource = Literal["auto", "network", "sfm"]
_CLEARLY = 0.02
"""By how much more of the keypoints the cameras of structure from motion must explain to be preferred."""
_LEAST_EXPLAINED = 0.65
"""Keypoints of which all cameras together explain less contradict each other. On the sets of the engine's benchmark
(`eval/studies/engine.py`) the share is above 0.69 where they help, and below 0.62 where they harm: procedural scenes
with repeated textures."""
_ERROR = 1 / 1000
"""Keypoints further from their epipolar line than this part of the image's long side are not explained."""
_LEAST_TRUST = 0.25
"""Of the relative pose of two photos, for them to be of one scene: 0.13 was the most between photos of different ones,
0.44 the least between photos that share something (four pairs of sets)."""
_LEAST_SCENE = 3
"""Of so many photos a part must be for the others to be of another scene; smaller ones tell too little."""


@dataclass(frozen=True, eq=False)
class PosedScene:
    """Cameras and depths, and where they come from."""

    alignment: Alignment
    report: dict[str, Any]
    """Plain JSON values: `source`, `why`, `explained` (share of the keypoints per candidate), `components` (the photos
    that matches tie together, the largest first) and per photo its `source` and `explained`."""


def pose_photos(
    groups: Sequence[Group],
    matches: Sequence[PairMatches],
    keypoints: Sequence[EpipolarMatches],
    views: Sequence[View],
    priors: Priors,
    *,
    poses: PoseSource = "auto",
    start: Priors | None = None,
    beside: Beside | None = None,
    to_matches: bool = True,
    refine: Literal["align", "none"] = "align",
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> PosedScene:
    """Pose photos by the network, by structure from motion, or by what explains the keypoints best.

    Photos of which matches tie two or more together, but none to the largest part, show another scene: they are not
    registered.

    Args:
        groups: The network's predictions.
        matches: The network's, in working pixels, if it has any.
        keypoints: In working pixels; structure from motion sees these alone.
        priors, start, beside: See `pose_views`.
        to_matches: Whether the network's cameras are adjusted to matches and keypoints, or come from pointmaps alone.

    Raises:
        InputError: `poses` is "sfm", and pycolmap is missing or it registers no photo.
    """
    if poses == "sfm":
        require("pycolmap", extra="colmap", purpose="Cameras from structure from motion (poses='sfm')")
    shapes = [(view.image.shape[0], view.image.shape[1]) for view in views]

    def posed(
        matches: Sequence[PairMatches],
        priors: Priors = priors,
        start: Priors | None = start,
        beside: Beside | None = beside,
    ) -> Posed:
        return pose_views(
            groups, matches, shapes, priors, start=start, beside=beside, refine=refine, seed=seed, progress=progress
        )

    joined = join_keypoints(matches, keypoints, views) if to_matches else []
    candidates = {"network": posed(joined)}
    network = candidates["network"].alignment
    if poses == "network":
        model, why = None, "asked for"
    else:
        model, why = map_keypoints(network, keypoints, views, priors, seed=seed, progress=progress)
    if poses == "sfm":
        if model is None:
            raise InputError(f"poses='sfm', but {why}. Take more photos with overlap, or let poses be 'auto'.")
        # Structure from motion has a world of its own; what is known of the world comes in afterwards.
        kept = posed(joined, as_priors(model, views, priors), None, None)
        kept = _without(kept, ~model.registered, "structure from motion could not register them")
        return _judged({"sfm": kept}, "sfm", "asked for", keypoints, views, model)
    best = _share(_explained(keypoints, network))
    if model is not None:
        own, of_network = (
            _share(_explained(keypoints, cameras, model.registered))
            for cameras in (as_alignment(model, network, views, priors), network)
        )
        why = (
            f"structure from motion ({int(model.registered.sum())} of {len(views)} photos) explains {own:.1%} of the "
            f"keypoints of these, the network {of_network:.1%}"
        )
        if own > of_network + _CLEARLY:
            candidates["sfm"] = posed(joined, start=joined_with(model, network, views, priors), beside=None)
            share = _share(_explained(keypoints, candidates["sfm"].alignment))
            if share > best + _CLEARLY and share >= _LEAST_EXPLAINED:
                return _judged(candidates, "sfm", why, keypoints, views, model)
    if keypoints and matches and best < _LEAST_EXPLAINED:
        candidates["network without keypoints"] = posed(matches)
        why = f"no cameras explain more than {best:.1%} of the keypoints: they show repeated things, and are left out"
        return _judged(candidates, "network without keypoints", why, keypoints, views, model)
    return _judged(candidates, "network", why, keypoints, views, model)


def _explained(
    keypoints: Sequence[EpipolarMatches], alignment: Alignment, among: Bool[np.ndarray, "views"] | None = None
) -> Int[np.ndarray, "views 2"]:
    """Per photo how many matches of keypoints lie on the epipolar lines of these cameras, and of how many."""
    counts = np.zeros((len(alignment.registered), 2), np.int64)
    for found in keypoints:
        pair = [found.matches.view_i, found.matches.view_j]
        if among is not None and not among[pair].all():
            continue
        agreeing = 0
        if alignment.registered[pair].all():
            size = max(max(alignment.depths[view].shape) for view in pair)
            fundamental = _fundamental(*alignment.world_from_cam[pair], *alignment.intrinsics[pair])
            agreeing = int(near_epipolar_lines(found.matches, fundamental, _ERROR * size).sum())
        counts[pair] += (agreeing, len(found.matches.weights))
    return counts


def _fundamental(
    world_from_i: Float[np.ndarray, "4 4"],
    world_from_j: Float[np.ndarray, "4 4"],
    K_i: Float[np.ndarray, "3 3"],
    K_j: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "3 3"]:
    """x_j^T F x_i = 0, in the pixels of K."""
    j_from_i = np.linalg.inv(world_from_j) @ world_from_i
    x, y, z = j_from_i[:3, 3] / max(float(np.linalg.norm(j_from_i[:3, 3])), 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.linalg.inv(K_j).T @ cross @ j_from_i[:3, :3] @ np.linalg.inv(K_i)


def _share(counts: Int[np.ndarray, "views 2"]) -> float:
    return float(counts[:, 0].sum() / max(int(counts[:, 1].sum()), 1))


def _without(posed: Posed, views: Bool[np.ndarray, "views"], why: str) -> Posed:
    """The same, with some views not registered."""
    alignment = posed.alignment
    lost = np.flatnonzero(views & alignment.registered).tolist()
    if not lost:
        return posed
    poses, registered = alignment.world_from_cam.copy(), alignment.registered.copy()
    poses[lost], registered[lost] = np.nan, False
    line = f"View{'s' * (len(lost) > 1)} {', '.join(map(str, lost))}: left out, because {why}."
    return replace(
        posed,
        alignment=replace(
            alignment,
            world_from_cam=poses,
            registered=registered,
            dropped=[*alignment.dropped, line],
            reasons=alignment.reasons | dict.fromkeys(lost, why),
        ),
    )


def _judged(
    candidates: dict[str, Posed],
    chosen: str,
    why: str,
    keypoints: Sequence[EpipolarMatches],
    views: Sequence[View],
    model: SfmModel | None = None,
) -> PosedScene:
    """The chosen candidate without the photos of other scenes, and the report."""
    posed = candidates[chosen]
    ties = [pair for pair, sure in posed.ties.items() if sure >= _LEAST_TRUST]
    ties += [(found.matches.view_i, found.matches.view_j) for found in keypoints if chosen in ("network", "sfm")]
    parts = sorted(connected_parts(len(views), ties), key=len, reverse=True)
    for part in parts[1:]:
        if len(parts[0]) >= _LEAST_SCENE and len(part) > 1:
            other = np.isin(np.arange(len(views)), part)
            posed = _without(posed, other, "they share nothing with the others, but something with each other")
    counts = {name: _explained(keypoints, candidate.alignment) for name, candidate in candidates.items()}
    photos = {}
    for index, view in enumerate(views):
        own, total = counts[chosen][index]
        source = "sfm" if chosen == "sfm" and model is not None and model.registered[index] else "network"
        photos[view.name] = {
            "source": source if posed.alignment.registered[index] else None,
            "tied": any(index in tie for tie in ties),
            "keypoints": int(total),
            "explained": round(float(own / total), 3) if total else None,
        }
    report = {
        "source": chosen,
        "why": why,
        "explained": {name: round(_share(count), 4) for name, count in counts.items()},
        "sfm_registered": int(model.registered.sum()) if model is not None else 0,
        "components": [[views[index].name for index in part] for part in parts],
        "photos": photos,
    }
    return PosedScene(posed.alignment, report)
