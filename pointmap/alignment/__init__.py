"""Global alignment: many predictions in, one world out.

`align` does it, `align_all` for every connected part of the photos; `AlignmentObjective` is what they minimise.
`differentiable_align` gives the solution with gradients that reach the predictions.
"""

from pointmap.alignment.implicit import DifferentiableAlignment, differentiable_align
from pointmap.alignment.objective import AlignmentObjective
from pointmap.alignment.problem import make_problem
from pointmap.alignment.result import Alignment
from pointmap.alignment.run import align, align_all

__all__ = [
    "Alignment",
    "AlignmentObjective",
    "DifferentiableAlignment",
    "align",
    "align_all",
    "differentiable_align",
    "make_problem",
]
