"""How people take two photos of one place: tables of lenses, viewpoints, motions and rolls with their shares.

Shares of a table need not sum to 1. They are shares of the finished pairs: who plans a wide orbit and finds a wall in
the way looks for another place, and does not fall back to a small step.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from pointmap.train.random import Random

Range = tuple[float, float]
"""Low and high end; everything between is equally likely."""


@dataclass(frozen=True)
class Lens:
    """A kind of camera by its field of view."""

    name: str
    share: float
    fov_deg: Range
    """Over the long side of the photo."""


@dataclass(frozen=True)
class Viewpoint:
    """Where the first photo is taken."""

    name: Literal["around", "standing", "facade", "close_up", "from_above", "from_below"]
    """`first_cameras` in `cameras.py` knows each of them."""
    share: float


@dataclass(frozen=True)
class Motion:
    """How one gets from the first photo to the second.

    Ranges are taken to either side. Lengths are in median depths of the first photo.
    """

    name: str
    share: float
    orbit_deg: Range = (0.0, 0.0)
    """Angle around a point that the first photo shows, about the vertical."""
    lift: float = 0.0
    """Standard deviation of the orbit's climb, as a share of its angle."""
    approach: float = 0.0
    """Standard deviation of the log of the distance to that point."""
    sideways: Range = (0.0, 0.0)
    forward: Range = (0.0, 0.0)
    """Walks on level ground, facing as before."""
    wander: float = 0.0
    """Standard deviation of a step in any direction."""
    pan_deg: Range = (0.0, 0.0)
    """Turning on the spot."""
    aim_deg: float = 0.0
    """Standard deviation of where the camera then points, in both directions."""


@dataclass(frozen=True)
class Roll:
    """How the cameras are turned about their lines of sight, besides a few degrees of an unsteady hand."""

    name: str
    share: float
    common_deg: Range = (0.0, 0.0)
    """Of both photos."""
    relative_deg: Range = (0.0, 0.0)
    """Of the second against the first."""


@dataclass(frozen=True)
class CameraSettings:
    """A distribution of photo pairs."""

    lenses: tuple[Lens, ...]
    viewpoints: tuple[Viewpoint, ...]
    motions: tuple[Motion, ...]
    rolls: tuple[Roll, ...]
    zoomed: float = 0.2
    """Share of pairs with two focal lengths."""
    zoom: float = 1.6
    """Largest ratio of the two."""
    off_centre: float = 0.3
    """Share of pairs whose principal points are off the middle, as after cropping, in each photo elsewhere."""
    shift: float = 0.1
    """How far, at most, in sides of the image."""
    apart: float = 0.05
    """Share of pairs that show nothing in common."""
    min_overlap: float = 0.05
    """The others share at least so much: the smaller of the two shares of a view that the other one sees."""
    max_turn_deg: float = 100.0
    """Largest angle between the two lines of sight of overlapping pairs."""


LENSES = (
    Lens("phone", 0.66, (50, 75)),
    Lens("wide", 0.11, (75, 95)),
    Lens("normal", 0.13, (35, 50)),
    Lens("tele", 0.10, (25, 35)),
)
VIEWPOINTS = (
    Viewpoint("around", 0.45),  # at some distance from what is of interest, a little above it
    Viewpoint("standing", 0.20),  # anywhere, at the height of hands and eyes
    Viewpoint("facade", 0.12),  # in front of a wall, looking straight at it
    Viewpoint("close_up", 0.10),
    Viewpoint("from_above", 0.08),
    Viewpoint("from_below", 0.05),
)
ROLLS = (
    Roll("level", 0.78),
    Roll("casual", 0.11, common_deg=(20, 60), relative_deg=(0, 50)),  # as in a scan of an object by hand
    Roll("portrait_and_landscape", 0.06, relative_deg=(85, 95)),
    Roll("on_its_side", 0.04, common_deg=(85, 95)),  # a portrait photo whose orientation was lost
    Roll("upside_down", 0.01, relative_deg=(120, 180)),  # an object seen from across the table
)

TRAINING = CameraSettings(
    lenses=LENSES,
    viewpoints=VIEWPOINTS,
    motions=(
        Motion("still", 0.05, wander=0.004, aim_deg=1.5),
        Motion("hand_held", 0.20, wander=0.06, aim_deg=5),
        Motion("turn", 0.05, pan_deg=(3, 45), aim_deg=6),
        Motion("orbit", 0.30, orbit_deg=(5, 45), lift=0.35, approach=0.15, aim_deg=5),
        Motion("wide_orbit", 0.15, orbit_deg=(40, 90), lift=0.25, approach=0.2, aim_deg=6),
        Motion("sideways", 0.09, sideways=(0.1, 0.8), wander=0.03, aim_deg=4),
        Motion("forward", 0.08, forward=(0.1, 0.6), wander=0.04, aim_deg=5),
        Motion("stroll", 0.08, wander=0.35, pan_deg=(0, 30), aim_deg=6),
    ),
    rolls=ROLLS,
)
"""What networks learn from: everything that people do, with many easy pairs."""

BENCHMARK = replace(
    TRAINING,
    motions=(
        Motion("orbit", 0.45, orbit_deg=(14, 45), lift=0.35, approach=0.3, aim_deg=5),
        Motion("wide_orbit", 0.21, orbit_deg=(40, 80), lift=0.25, approach=0.7, aim_deg=5),
        Motion("sideways", 0.10, sideways=(0.2, 1.2), wander=0.05, pan_deg=(5, 20), aim_deg=6),
        Motion("stroll", 0.22, wander=2.0, pan_deg=(10, 40), aim_deg=6),
    ),
    rolls=tuple(replace(roll, share=roll.share * (1.0 if roll.name == "level" else 0.3)) for roll in ROLLS),
    min_overlap=0.12,
    apart=0.0,
    max_turn_deg=90.0,
)
"""What networks are measured on: wide baselines and large rotations, all of them overlapping."""

TOUR = replace(
    TRAINING,
    motions=(
        Motion("around", 0.5, orbit_deg=(10, 40), lift=0.25, approach=0.1, aim_deg=4),
        Motion("along", 0.2, sideways=(0.15, 0.6), wander=0.03, aim_deg=4),
        Motion("through", 0.1, forward=(0.1, 0.4), wander=0.05, pan_deg=(0, 15), aim_deg=5),
        Motion("about", 0.2, wander=0.3, pan_deg=(5, 30), aim_deg=6),
    ),
    zoomed=0.0,
    off_centre=0.1,
    apart=0.0,
    min_overlap=0.2,
)
"""Many photos of one place: the steps from each to the next."""


def choose(shares: tuple[float, ...], random: Random, count: int) -> Tensor:
    """Draw indices into a table, each as often as its share of the sum says."""
    bounds = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    inner = (bounds / bounds[-1])[:-1].to(random.device, torch.float32)
    return torch.bucketize(random.uniform(0, 1, count), inner)


def draw(ranges: tuple[Range, ...], index: Tensor, random: Random) -> Tensor:
    """Uniform draws from the ranges that the indices name."""
    low, high = torch.tensor(ranges, dtype=torch.float32, device=index.device)[index].unbind(-1)
    return low + (high - low) * random.uniform(0, 1, len(index))
