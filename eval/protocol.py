"""How a scene is scored: the interface of what lies in `protocols/`."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from .estimate import Estimate
from .task import Task

Aggregate = Literal["mean", "median", "weighted"]
"""Over scenes; "weighted" is by `Scores.weight`, which makes a mean over all pixels."""


@dataclass(frozen=True)
class Metric:
    """One figure of a protocol."""

    name: str
    """As in files: `auc_30`."""

    title: str
    """As in tables: `AUC@30`."""

    better: Literal["lower", "higher"]

    perfect: float
    """Of the truth itself."""

    worst: float
    """What a scene on which a method failed counts; NaN where no figure would be fair: such scenes are left out of the
    mean, and every table says how many."""

    unit: str = ""
    """"m", "mm", "deg", "px", or "" of a ratio. Shares are in [0, 1]; tables show them in %."""

    aggregate: Aggregate = "mean"

    share: bool = False
    """A share in [0, 1], shown in %."""

    def text(self, value: float) -> str:
        """As tables show it: three significant digits or so, shares in %, `-` where there is no figure."""
        if math.isnan(value):
            return "-"
        if self.share:
            return f"{100 * value:.1f}"
        return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


@dataclass(frozen=True)
class Scores:
    """Of one scene."""

    values: Mapping[str, float]
    """By names of metrics, all of them; NaN where the scene has no truth for one."""

    weight: float = 1.0
    """For "weighted": how many pixels took part."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """For plots, plain lists of numbers, not too long (a few thousand numbers a scene):

    - `pairs`: {rotation_deg, direction_deg, angle_deg, baseline, overlap}: lists over the pairs of photos; errors, then
      what the pair is like: its true rotation, its true baseline over the largest of the scene, its overlap or null
    - `views`: {absrel, ...}: lists over photos, null where there is none
    - `calibration`: {coverage, risk, oracle}: lists of one length, see `metrics.calibration.risk_coverage`
    - `queries`: {translation, rotation_deg}: lists over queries
    """


class Protocol(ABC):
    """A way of scoring, with its settings as fields of a frozen dataclass.

    It decides nothing about which photos take part: that is the benchmark's.
    """

    metrics: ClassVar[tuple[Metric, ...]] = ()
    """In the order of tables, the one that ranks first. May be an instance attribute where it depends on settings."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """What an estimate must hold: of "poses", "depths", "points", "mesh", "localization"."""

    @abstractmethod
    def score(self, task: Task, estimate: Estimate) -> Scores:
        """Compare with the truth. Never raises for a bad estimate: what is missing counts as the protocol says."""
