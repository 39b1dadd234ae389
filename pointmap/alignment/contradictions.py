"""Groups that contradict the others, in words."""

import math

from pointmap.alignment.averaging import Averaged
from pointmap.alignment.problem import Problem

_NAMED = 0.5
"""Groups of a smaller weight are named."""

_MANY = 6
"""So many views are listed."""


def named_contradictions(problem: Problem, averaged: Averaged) -> list[str]:
    """One sentence for every group that counts less than half, with what is wrong with it."""
    members: dict[int, list[int]] = {}
    for group, view in zip(problem.group_of.tolist(), problem.view_of.tolist(), strict=True):
        members.setdefault(group, []).append(view)
    sentences = []
    for group in (averaged.group_weights < _NAMED).nonzero()[:, 0].tolist():
        views, number = members[group], int(problem.group_ids[group])
        if len(views) == 2:
            who = f"Pair of views {views[0]} and {views[1]} (group {number})"
        else:
            listed = ", ".join(map(str, views[:_MANY]))
            more = f" and {len(views) - _MANY} more" if len(views) > _MANY else ""
            who = f"Group {number} (views {listed}{more})"
        percent = 100 * float(averaged.group_weights[group])
        share = "less than 1 %" if percent < 1 else f"{percent:.0f} %"
        sentences.append(f"{who}: contradicts the others ({_what(averaged, group)}); it counts {share}.")
    return sentences


def _what(averaged: Averaged, group: int) -> str:
    degrees, log_scale, distance = averaged.group_disagreements[group].tolist()
    worst = int((averaged.group_disagreements[group] / averaged.limits).argmax())
    return [
        f"rotation off by {degrees:.0f} degrees",
        f"scale off by a factor of {math.exp(min(log_scale, 50)):.2g}",
        f"off by {100 * distance:.0f} % of the scene's distance",
    ][worst]
