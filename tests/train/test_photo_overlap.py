import math

import torch
from photo_folders import facing_a_wall

from pointmap.geometry.transforms import invert_rigid
from pointmap.train.photo_overlap import pair_overlaps
from pointmap.train.views import SceneViews


def overlaps(views: SceneViews, depths: list[torch.Tensor] | None = None) -> torch.Tensor:
    return pair_overlaps(depths or list(views.depths), views.intrinsics, invert_rigid(views.world_from_cam))


def turned(angles_deg: list[float]) -> SceneViews:
    """Photos from one place, turned to the side."""
    views = facing_a_wall([0.0] * len(angles_deg))
    for camera, angle in zip(views.world_from_cam, angles_deg, strict=True):
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        camera[:3, :3] = torch.tensor([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return views


def unknown(views: SceneViews) -> list[torch.Tensor]:
    return list(torch.full_like(views.depths, torch.nan))


def test_photos_share_the_part_of_the_wall_that_both_show():
    shares = overlaps(facing_a_wall([0.0, 0.5, 1.0, 5.0]))  # each shows 2 m of it

    torch.testing.assert_close(shares[0], torch.tensor([1.0, 0.75, 0.5, 0.0]), atol=0.05, rtol=0)
    assert shares.equal(shares.mT)


def test_photos_of_different_depth_maps_are_compared():
    views = facing_a_wall([0.0, 1.0])
    small = views.depths[1, ::2, ::2]

    shares = pair_overlaps(
        [views.depths[0], small],
        torch.stack([views.intrinsics[0], torch.tensor([[32.0, 0, 19.75], [0, 32.0, 9.75], [0, 0, 1]])]),
        invert_rigid(views.world_from_cam),
    )

    assert abs(shares[0, 1] - 0.5) < 0.05


def test_a_photo_does_not_show_what_stands_behind_its_surfaces():
    views = facing_a_wall([0.0, 0.0])
    near = views.depths[1] / 2

    assert overlaps(views, [views.depths[0], near])[0, 1] == 0


def test_holes_of_the_other_depth_map_count_as_seen():
    views = facing_a_wall([0.0, 0.0])
    holes = views.depths[1].clone()
    holes[:, ::2] = torch.nan

    assert overlaps(views, [views.depths[0], holes])[0, 1] > 0.95


def test_without_depth_the_angle_between_the_lines_of_sight_decides():
    views = turned([0.0, 13.3, 26.6, 60.0])  # the field of view is 53 degrees wide

    shares = overlaps(views, unknown(views))

    torch.testing.assert_close(shares[0], torch.tensor([1.0, 0.75, 0.5, 0.0]), atol=0.03, rtol=0)


def test_a_photo_without_depth_among_others_is_judged_by_its_line_of_sight():
    views = turned([0.0, 13.3, 180.0])
    depths = [views.depths[0], torch.full_like(views.depths[1], torch.nan), views.depths[2]]

    shares = overlaps(views, depths)

    assert abs(shares[0, 1] - 0.75) < 0.03
    assert shares[0, 2] == 0


def test_no_photos_have_no_overlaps():
    assert pair_overlaps([], torch.zeros(0, 3, 3), torch.zeros(0, 4, 4)).shape == (0, 0)
