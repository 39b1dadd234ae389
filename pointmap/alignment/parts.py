"""Which views can be aligned together, and why the others cannot."""

from dataclasses import dataclass

import torch

from pointmap.alignment.problem import Problem
from pointmap.alignment.spanning_tree import connected_parts
from pointmap.errors import InputError


@dataclass(frozen=True)
class Part:
    """Views that hang together, and what is predicted of them."""

    problem: Problem
    """Without observations that say nothing; views keep their numbers."""

    views: list[int]

    reasons: dict[int, str]
    """Of every other view: why it is left out."""

    def split(self, views: list[int], reason: str) -> tuple[list["Part"], list["Part"]]:
        """The parts that are left without some views, and those of these views."""
        chosen = torch.isin(self.problem.view_of, torch.tensor(views, device=self.problem.device))
        known = self.reasons | dict.fromkeys(views, reason)
        kept, others = _parts(self.problem.select(~chosen), known), _parts(self.problem.select(chosen), known)
        return kept, others


def connected(problem: Problem) -> list[Part]:
    """All connected parts of a problem, the largest first.

    Raises:
        InputError: No observation says anything.
    """
    if bool(problem.silent.all()):
        raise InputError(
            f"None of the {problem.num_groups} predictions is usable: they hold no finite point with a confidence "
            f"above 1. Check the photos and the network's weights."
        )
    reasons = dict.fromkeys(range(problem.num_views), "no prediction shows it") | silent_predictions(problem)
    return _parts(problem.select(~problem.silent), reasons)


def _parts(problem: Problem, reasons: dict[int, str]) -> list[Part]:
    parts = connected_parts(problem.view_of, problem.group_of)
    found = []
    for views in parts:
        inside = torch.isin(problem.view_of, torch.tensor(views, device=problem.device))
        apart = (
            f"not tied to the other {len(views)} views; the predictions fall into {len(parts)} separate parts: pair "
            f"the photos more densely"
        )
        missing = dict.fromkeys(range(problem.num_views), "it belongs to another part of the photos") | reasons
        missing |= {view: apart for part in parts if part is not views for view in part}
        own = {view: reason for view, reason in missing.items() if view not in set(views)}
        found.append(Part(problem if len(parts) == 1 else problem.select(inside), views, own))
    return found


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
