"""Surfaces without a closed form, whose depths are converged roots: hilly ground, and one bent body per scene."""

import torch
from torch import Tensor

from pointmap.shapes import Float
from pointmap.train.fused import fusible
from pointmap.train.solids import FAR, ball

_FLAT_RADIUS = 9.0  # metres around the origin where people walk, and where the ground is nearly level
_GROUND_STEPS, _BISECTIONS = 56, 12
_BODY_STEPS, _BODY_REFINEMENTS = 36, 3
BODY_PARAMETERS = 10


@fusible
def ground_height(waves: Float[Tensor, "n waves 4"], x: Float[Tensor, "n m"], z: Float[Tensor, "n m"]) -> Tensor:
    """Metres above the floor.

    Args:
        waves: Each a wave vector (x, z) in radians per metre, a phase, and an amplitude in metres.
    """
    kx, kz, phase, amplitude = (part[:, :, None] for part in waves.unbind(-1))
    total = (amplitude * torch.sin(kx * x[:, None] + kz * z[:, None] + phase)).sum(dim=1)
    square = (x * x + z * z) / _FLAT_RADIUS**2
    return total * (0.06 + 0.94 * square / (1 + square))


def ground_normal(waves: Float[Tensor, "n waves 4"], x: Float[Tensor, "n m"], z: Float[Tensor, "n m"]) -> Tensor:
    """Of the ground at a place, upwards (y is negative), (n, m, 3), not normalised."""
    step = 0.02
    along_x = ground_height(waves, x + step, z) - ground_height(waves, x - step, z)
    along_z = ground_height(waves, x, z + step) - ground_height(waves, x, z - step)
    return torch.stack([-along_x, torch.full_like(x, -2 * step), -along_z], dim=-1)


def ground_distance(waves: Float[Tensor, "n waves 4"], o: Float[Tensor, "n m 3"], d: Float[Tensor, "n m 3"]) -> Tensor:
    """Where rays first meet the ground, FAR if never: steps that grow with the distance, then bisection."""
    (ox, oy, oz), (dx, dy, dz) = o.unbind(-1), d.unbind(-1)

    def above(t: Tensor) -> Tensor:
        return -(oy + t * dy) - ground_height(waves, ox + t * dx, oz + t * dz)

    low, high = torch.zeros_like(dx), torch.full_like(dx, FAR)
    t = torch.full_like(dx, 0.05)
    for _ in range(_GROUND_STEPS):
        gap = above(t)
        crossed = (gap < 0) & (high == FAR)
        high = torch.where(crossed, t, high)
        low = torch.where(high == FAR, t, low)
        t = torch.where(high == FAR, t + (0.5 * gap).maximum(0.08 * t).clamp(min=0.02), t)
    found = high < FAR
    high = torch.where(found, high, low)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = above(middle) < 0
        low, high = torch.where(below, low, middle), torch.where(below, middle, high)
    # Bisection leaves a thousandth of a step; one step of regula falsi leaves rounding.
    first, second = above(low), above(high)
    root = low + (high - low) * (first / (first - second).clamp(min=1e-9)).clamp(0, 1)
    return torch.where(found, root, FAR)


@fusible
def body_field(body: Float[Tensor, "n 10"], p: Float[Tensor, "n 3 m"]) -> Float[Tensor, "n m"]:
    """Negative inside: a rounded box or a ring, twisted about y, bent and rippled, within the unit ball."""
    hx, hy, hz, rounding, twist, bend, ring, ripple, frequency, phase = (part[:, None] for part in body.unbind(-1))
    x, y, z = p.unbind(-2)
    angle = twist * y
    cosine, sine = angle.cos(), angle.sin()
    x, z = cosine * x - sine * z + bend * (y * y - 0.3), sine * x + cosine * z
    qx, qy, qz = x.abs() - hx, y.abs() - hy, z.abs() - hz
    outside = (qx.clamp(min=0).square() + qy.clamp(min=0).square() + qz.clamp(min=0).square() + 1e-12).sqrt()
    block = outside + qx.maximum(qy).maximum(qz).clamp(max=0) - rounding
    hoop = ((x.hypot(y) - hx - 0.3).square() + z.square() + 1e-12).sqrt() - rounding - 0.08
    waves = torch.sin(frequency * x + phase) * torch.sin(frequency * y) * torch.sin(frequency * z + 2 * phase)
    shape = torch.where(ring > 0.5, hoop, block) + ripple * waves
    return shape.maximum((p * p).sum(dim=-2).sqrt() - 0.999)


def body_normal(body: Float[Tensor, "n 10"], p: Float[Tensor, "n 3 m"]) -> Float[Tensor, "n 3 m"]:
    """Gradient of the field, not normalised."""
    step = 2e-3
    parts = []
    for axis in range(3):
        offset = torch.zeros(3, 1, device=p.device)
        offset[axis] = step
        parts.append(body_field(body, p + offset) - body_field(body, p - offset))
    return torch.stack(parts, dim=-2)


def body_distance(body: Float[Tensor, "n 10"], o: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter the body, FAR if never, and how close to it they come, in its unit frame (sphere tracing).

    Args:
        o: Origins, (n, 3, 1 or m); d: directions, (n, 3, m).
    """
    near, far = ball(o, d)
    speed = (d * d).sum(dim=-2).sqrt()
    end = torch.where(near < far, far.clamp(min=0), 0.0)
    t = near.clamp(min=0).minimum(end)
    closest = torch.full_like(t, 1.0)
    for _ in range(_BODY_STEPS):
        field = body_field(body, o + t[..., None, :] * d)
        closest = closest.minimum(field)
        # Twists and ripples make the field steeper than a distance: a part of it is a safe step.
        t = (t + 0.75 * field / speed).minimum(end)
    for _ in range(_BODY_REFINEMENTS):
        step = 1e-3 / speed
        field = body_field(body, o + t[..., None, :] * d)
        slope = (body_field(body, o + (t + step)[..., None, :] * d) - field) / step
        newton = -field / torch.where(slope < -0.05 * speed, slope, -0.05 * speed)
        t = t + newton.clamp(min=-0.02 / speed, max=0.02 / speed)
    field = body_field(body, o + t[..., None, :] * d)
    hit = (field.abs() < 5e-4) & (near < far) & (t < far + 1e-3 / speed) & (t > 0)
    return torch.where(hit, t, FAR), torch.where(near < far, closest, 1.0)
