"""Points of all photos against true points: accuracy, completeness, normals."""

from dataclasses import dataclass
from typing import Literal

from ..estimate import Estimate
from ..protocol import Protocol, Scores
from ..task import Task


@dataclass(frozen=True)
class PointMaps(Protocol):
    """The flavours of Spann3R, CUT3R, Pi3 and AMB3R (EVALUATION 5.1 to 5.3) by settings."""

    first: Literal["normalised", "umeyama", "median", "none"] = "umeyama"
    """How the prediction comes to the truth: by the scale and z-shift of DUSt3R's training loss in the first camera and the
    first true pose; by Umeyama's Sim(3) over corresponding pixels; by the first camera and one factor of medians."""

    icp: float | None = 0.1
    """Largest distance of point-to-point ICP that follows, in units of the truth; None leaves it out."""

    crop: int | None = None
    """Side of the centre of the true maps that takes part, in pixels."""

    size: tuple[int, int] | None = None
    """Width and height to which true maps are brought before `crop` (centre crop to its aspect, then nearest resize); None
    keeps them."""

    nearest: float = 1e-3
    farthest: float = 10.0
    """True depths outside of these take no part."""

    limit: int = 200_000
    """Points of each cloud, drawn with a fixed seed where there are more; None of the sources thins out, and so the default
    is far above what changes the third digit."""

    normals: bool = True

    def score(self, task: Task, estimate: Estimate) -> Scores:
        """See `Protocol`."""
        raise NotImplementedError
