"""Which views can be aligned together, and why the others cannot."""

from dataclasses import dataclass

import torch

from pointmap.alignment.problem import Problem
from pointmap.alignment.spanning_tree import connected_parts
from pointmap.errors import InputError


class NothingUsable(InputError):
    """There is no prediction to align, or none that says anything."""


@dataclass(frozen=True)
class Part:
    """Views that hang together, and what is predicted of them."""

    problem: Problem
    """Without observations that say nothing; views keep their numbers."""

    views: list[int]

    reasons: dict[int, str]
    """Of every other view: why it is left out."""

    def without(self, views: list[int], reason: str) -> "Part":
        """The largest part without some views."""
        keep = ~torch.isin(self.problem.view_of, torch.tensor(views, device=self.problem.device))
        rest = largest_part(self.problem.select(keep))
        return Part(rest.problem, rest.views, rest.reasons | self.reasons | dict.fromkeys(views, reason))


def largest_part(problem: Problem) -> Part:
    """The largest connected part of a problem.

    Raises:
        NothingUsable: No observation says anything.
    """
    if bool(problem.silent.all()):
        raise NothingUsable(
            f"None of the {problem.num_groups} predictions is usable: they hold no finite point with a confidence "
            f"above 1. Check the photos and the network's weights."
        )
    reasons = dict.fromkeys(range(problem.num_views), "no prediction shows it")
    reasons |= silent_predictions(problem)
    problem = problem.select(~problem.silent)
    largest, *others = connected_parts(problem.view_of, problem.group_of)
    if others:
        apart = (
            f"not tied to the largest connected part ({len(largest)} views); the predictions fall into "
            f"{len(others) + 1} separate parts: pair the photos more densely"
        )
        reasons |= {view: apart for part in others for view in part}
        problem = problem.select(torch.isin(problem.view_of, torch.tensor(largest, device=problem.device)))
    inside = set(largest)
    return Part(problem, largest, {view: reason for view, reason in reasons.items() if view not in inside})


def silent_predictions(problem: Problem) -> dict[int, str]:
    """Of the views that some predictions say nothing of: how many of them do."""
    total = torch.bincount(problem.view_of, minlength=problem.num_views).tolist()
    silent = torch.bincount(problem.view_of[problem.silent], minlength=problem.num_views).tolist()
    return {
        view: f"{silent[view]} of {total[view]} predictions have no finite point with a confidence above 1"
        for view in range(problem.num_views)
        if silent[view]
    }


def sentences(reasons: dict[int, str]) -> list[str]:
    """One line for all views of which the same is to be said."""
    views_of: dict[str, list[int]] = {}
    for view, reason in sorted(reasons.items()):
        views_of.setdefault(reason, []).append(view)
    return [
        f"{'View' if len(views) == 1 else 'Views'} {', '.join(map(str, views))}: {reason}."
        for reason, views in views_of.items()
    ]
