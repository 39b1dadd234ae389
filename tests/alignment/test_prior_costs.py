"""What it costs to disagree with what is known: slopes against differences."""

import math

import numpy as np
import torch

from pointmap.alignment.prior_costs import (
    depth_rows,
    depth_terms,
    distance_terms,
    gravity_terms,
    pose_terms,
    world_directions,
)
from pointmap.alignment.prior_terms import Seen
from pointmap.geometry.rotations import rotation_from_vector
from pointmap.geometry.transforms import rigid


def random_poses(count: int) -> torch.Tensor:
    return rigid(rotation_from_vector(torch.randn(count, 3).double()), torch.randn(count, 3).double())


def stepped(poses, tangents):
    """The same motion as in the solver: in the camera frame, to first order in the tangents."""
    return poses @ rigid(rotation_from_vector(tangents[..., :3]), tangents[..., 3:6])


def check_slopes(value_at, slopes):
    """`value_at` takes a change of the unknowns, of the shape of the slopes."""
    numeric = torch.zeros_like(slopes)
    for place in np.ndindex(*slopes.shape):
        step = torch.zeros_like(slopes)
        step[place] = 1e-5
        numeric[place] = (value_at(step) - value_at(-step)) / 2e-5
    torch.testing.assert_close(slopes, numeric, rtol=1e-5, atol=1e-5 * float(numeric.abs().max()))


def test_slope_of_the_pose_term_is_that_of_its_value():
    poses, known = random_poses(3), random_poses(3)
    sigmas = torch.tensor([[0.1, 2.0], [math.inf, 0.5], [0.3, math.inf]]).double()

    _, slopes, _ = pose_terms(poses, known, sigmas)

    check_slopes(lambda xi: pose_terms(stepped(poses, xi), known, sigmas)[0].sum(), slopes)
    assert (slopes[1, :3] == 0).all()


def test_slope_of_the_gravity_term_is_that_of_its_value():
    poses, gravity = random_poses(3), torch.nn.functional.normalize(torch.randn(3, 3).double(), dim=-1)
    sigmas = torch.tensor([0.1, math.inf, 0.3]).double()

    _, slopes, _ = gravity_terms(poses, gravity, sigmas)

    check_slopes(lambda xi: gravity_terms(stepped(poses, xi), gravity, sigmas)[0].sum(), slopes)
    assert (slopes[1] == 0).all()


def test_slope_of_the_depth_term_is_that_of_its_value():
    ratios, sigmas = torch.randn(2, 60).double(), torch.tensor([0.1, 0.5]).double()
    ratios[0, 3] = math.nan

    _, slopes, curvatures = depth_terms(ratios, sigmas)

    check_slopes(lambda change: depth_terms(ratios + change, sigmas)[0].sum(), slopes)
    assert slopes[0, 3] == curvatures[0, 3] == 0


def random_views(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses, and one point per view in its camera frame."""
    points = torch.randn(count, 3).double()
    points[:, 2] = points[:, 2].abs() + 1
    return random_poses(count), points


def moved_points(poses, points, step):
    """Cameras after a step of (pose, motion along the ray as a . (n, |p|), log focal length), and the points, in the
    new camera frames, that are where the step takes them: on the rays of their pixels."""
    moved = stepped(poses, step)
    narrow = torch.stack([points[:, 0], points[:, 1], points[:, 2] * step[:, 10].exp()], -1)
    ray = torch.nn.functional.normalize(narrow, dim=-1)
    distance = points.norm(dim=-1, keepdim=True)
    normal = points / distance
    # Seen from where the camera was, all points of the new ray; the one that went along the old ray as far as told.
    along = (step[:, 6:9] * normal).sum(-1, keepdim=True) + step[:, 9:10] * distance
    motion = rigid(rotation_from_vector(step[:, :3]), step[:, 3:6])
    ray_before = (motion[:, :3, :3] @ ray[..., None])[..., 0]
    length = (distance + along - (normal * step[:, 3:6]).sum(-1, keepdim=True)) / (normal * ray_before).sum(
        -1, keepdim=True
    )
    return moved, length * ray


def test_depths_follow_a_step_as_stated():
    poses, points = random_views(4)

    rows = depth_rows(points[..., None])[..., 0]

    check_slopes(lambda step: moved_points(poses, points, step)[1][:, 2].log().sum(), rows)


def test_slope_of_the_distance_term_is_that_of_its_value():
    poses, points = random_views(4)
    points[1] = 0  # a camera
    lengths, sigmas = torch.tensor([0.7, 2.0]).double(), torch.tensor([0.1, 0.3]).double()

    errors, jacobians = distance_terms(poses.view(2, 2, 4, 4), points.view(2, 2, 3), lengths, sigmas)

    def value_at(step):
        moved, ends = moved_points(poses, points, step)
        ends = ends.where(points.norm(dim=-1, keepdim=True) > 0, 0)
        return 0.5 * distance_terms(moved.view(2, 2, 4, 4), ends.view(2, 2, 3), lengths, sigmas)[0].square().sum()

    check_slopes(value_at, (errors[:, None, None] * jacobians).view(4, 11))


def test_the_world_moves_along_the_stated_directions():
    poses, points = random_views(3)
    seen = Seen(poses, torch.ones(3).double(), points[:2, None].expand(2, 2, 3), torch.randn(3, 5).double())
    centre, motion = torch.randn(3).double(), 1e-6 * torch.randn(7).double()
    linear = motion[6].exp() * rotation_from_vector(motion[:3])
    whole = rigid(linear, centre + motion[3:6] - linear @ centre)

    tangents = (world_directions(poses, centre) @ motion[:, None])[..., 0]

    moved = seen.moved(whole)
    torch.testing.assert_close(stepped(poses, tangents), moved.world_from_cam, rtol=0, atol=1e-10)
    torch.testing.assert_close(moved.log_ratios, seen.log_ratios + motion[6], rtol=0, atol=1e-10)
    torch.testing.assert_close(moved.ends, seen.ends * motion[6].exp(), rtol=0, atol=1e-10)
