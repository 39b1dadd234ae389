"""Global alignment: many predictions in, one world out. `align` does it; `AlignmentObjective` is what it minimises."""

from pointmap.alignment.objective import AlignmentObjective
from pointmap.alignment.problem import make_problem
from pointmap.alignment.result import Alignment
from pointmap.alignment.run import align

__all__ = ["Alignment", "AlignmentObjective", "align", "make_problem"]
