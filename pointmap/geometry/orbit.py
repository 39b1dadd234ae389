"""Cameras around an object: where they look, about which axis they turn, and how far."""

from dataclasses import dataclass

import numpy as np

from pointmap.shapes import Float

_EVEN = 2.5
"""The step across the seam of a closed orbit is no larger than so many usual ones."""


@dataclass(frozen=True)
class Orbit:
    """How cameras go around, in the order of the orbit."""

    centre: Float[np.ndarray, "3"]
    """The point nearest to all optical axes."""
    axis: Float[np.ndarray, "3"]
    """About which they turn, a unit vector; the sense in which most steps are positive."""
    steps_deg: Float[np.ndarray, "n"]
    """Turn from each camera to the next, the last one from the last camera to the first; in (-180, 180]."""

    @property
    def turn_deg(self) -> float:
        """Sum of all steps: 360 for cameras that go around once, 0 for those that go there and back."""
        return float(self.steps_deg.sum())

    @property
    def closed(self) -> bool:
        """Once around, with a last step no larger than others."""
        usual = np.median(np.abs(self.steps_deg))
        return bool(abs(self.turn_deg - 360) < 1 and abs(self.steps_deg[-1]) < _EVEN * max(usual, 1e-9))

    @property
    def unevenness(self) -> float:
        """Standard deviation of the steps by their mean."""
        mean = abs(float(self.steps_deg.mean()))
        return float(self.steps_deg.std()) / mean if mean > 1e-9 else float("inf")


def axes_meet(world_from_cam: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "3"]:
    """The point nearest to all optical axes, by least squares."""
    directions, centres = world_from_cam[:, :3, 2], world_from_cam[:, :3, 3]
    across = np.eye(3) - directions[:, :, None] * directions[:, None]
    return np.linalg.lstsq(across.sum(axis=0), (across @ centres[..., None]).sum(axis=0)[:, 0], rcond=None)[0]


def fit_orbit(world_from_cam: Float[np.ndarray, "n 4 4"]) -> Orbit:
    """The orbit of three or more cameras in their order."""
    centre = axes_meet(world_from_cam)
    offsets = world_from_cam[:, :3, 3] - centre
    following = np.roll(offsets, -1, axis=0)
    # Twice the vector area of the polygon; a few cameras at other heights hardly tilt it.
    area = np.cross(offsets, following).sum(axis=0)
    axis = area / max(np.linalg.norm(area), 1e-12)
    flat, flat_following = (values - np.outer(values @ axis, axis) for values in (offsets, following))
    sine = np.cross(flat, flat_following) @ axis
    steps = np.degrees(np.arctan2(sine, (flat * flat_following).sum(axis=1)))
    return Orbit(centre, axis, steps)
