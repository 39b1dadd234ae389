"""Relative poses that fit their matches best: robust least squares after a search by samples."""

import numpy as np

from pointmap.shapes import Float

_ROUNDS = 25
_STEP = 1e-6
_ENOUGH = 1e-8
"""Radians; smaller steps end the search."""


def refine_motion(
    rays_i: Float[np.ndarray, "n 2"],
    rays_j: Float[np.ndarray, "n 2"],
    rotation: Float[np.ndarray, "3 3"],
    direction: Float[np.ndarray, "3"],
    threshold: float,
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """Move a relative pose to the nearest minimum of the truncated Cauchy loss of Sampson distances.

    Levenberg-Marquardt in five parameters: the rotation, and the direction on the sphere. The loss never rises.

    Args:
        rays_i, rays_j: Matches on the plane z = 1 of both cameras, wrong ones among them.
        rotation, direction: j_from_i; the direction is a unit vector.
        threshold: Sampson distance from which on a match has no say.
    """
    errors = sampson(rays_i, rays_j, rotation, direction)
    loss, damping = float(robust_loss(errors, threshold).sum()), 1e-3
    for _ in range(_ROUNDS):
        near = np.abs(errors) < threshold
        if near.sum() < 6:
            break
        near_i, near_j, residual = rays_i[near], rays_j[near], errors[near]
        jacobian = np.stack(
            [
                (sampson(near_i, near_j, *_moved(rotation, direction, step)) - residual) / _STEP
                for step in _STEP * np.eye(5)
            ],
            axis=1,
        )
        weights = 1 / (1 + (2 * residual / threshold) ** 2)
        normal, gradient = (jacobian * weights[:, None]).T @ jacobian, jacobian.T @ (weights * residual)
        step = -np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), gradient)
        trial = _moved(rotation, direction, step)
        trial_errors = sampson(rays_i, rays_j, *trial)
        trial_loss = float(robust_loss(trial_errors, threshold).sum())
        if trial_loss < loss:
            (rotation, direction), errors, loss, damping = trial, trial_errors, trial_loss, damping / 10
        else:
            damping *= 10
        if np.abs(step).max() < _ENOUGH or damping > 1e6:
            break
    return rotation, direction


def sampson(
    rays_i: Float[np.ndarray, "n 2"],
    rays_j: Float[np.ndarray, "n 2"],
    rotation: Float[np.ndarray, "3 3"],
    direction: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "n"]:
    """Signed Sampson distance of matches from a relative pose j_from_i, all on the plane z = 1."""
    a, b = (np.pad(rays, ((0, 0), (0, 1)), constant_values=1) for rays in (rays_i, rays_j))
    lines_j = np.cross(direction, a @ rotation.T)
    lines_i = np.cross(b, direction) @ rotation
    gradient = (lines_j[:, :2] ** 2).sum(1) + (lines_i[:, :2] ** 2).sum(1)
    return (b * lines_j).sum(1) / np.sqrt(np.maximum(gradient, 1e-18))


def robust_loss(errors: Float[np.ndarray, "*n"], threshold: float) -> Float[np.ndarray, "*n"]:
    """Cauchy's, of half the threshold's width, the same for everything beyond the threshold."""
    return np.log1p((2 * np.minimum(np.abs(errors), threshold) / threshold) ** 2)


def _moved(rotation: np.ndarray, direction: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pose after a turn by three angles, and the direction after two steps on the sphere."""
    angle = float(np.linalg.norm(step[:3]))
    x, y, z = step[:3] / max(angle, 1e-300)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    across = np.eye(3)[np.abs(direction).argmin()]
    side = np.cross(direction, across)
    side /= np.linalg.norm(side)
    moved = direction + step[3] * side + step[4] * np.cross(direction, side)
    return turn @ rotation, moved / np.linalg.norm(moved)
