"""Points in front of what a surer view sees are contradicted."""

import pytest
import torch
from safetensors.torch import load_file

from pointmap.geometry.transforms import invert_rigid, rigid, transform_points
from pointmap.geometry.visibility import contradicted_points

K = torch.tensor([[20.0, 0.0, 11.0], [0.0, 22.0, 6.0], [0.0, 0.0, 1.0]])


def two_views(other_from_first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.stack([K, K]), torch.stack([torch.eye(4), invert_rigid(other_from_first)])


def moved(x: float, y: float = 0.0, z: float = 0.0) -> torch.Tensor:
    return rigid(torch.eye(3), torch.tensor([float(x), float(y), float(z)]))


@pytest.mark.parametrize("name", ["n4", "n5swin", "n3mixed"])
@pytest.mark.parametrize("only_pairs", [False, True])
def test_the_reference_contradicts_the_same_points(name, only_pairs, golden_dir):
    data = load_file(golden_dir / "post" / f"alignment_{name}.safetensors")
    count = len(data["clean.changed_pixels"])
    confidences = [data[f"im_conf.{view}"] for view in range(count)]
    world_from_cam = data["traj.cosine.final.cam2world"]
    depths = [
        transform_points(cam_from_world, data[f"clean.pts3d.{view}"].flatten(0, 1))[:, 2].view_as(confidences[view])
        for view, cam_from_world in enumerate(invert_rigid(world_from_cam))
    ]
    meets = [[other for pair in data["edges"].tolist() if view in pair for other in pair] for view in range(count)]

    contradicted = contradicted_points(
        depths,
        confidences,
        data["traj.cosine.final.intrinsics"],
        world_from_cam,
        tolerance=0.001,
        neighbours=meets if only_pairs else None,
    )

    for view in range(count):
        cleaned = torch.where(contradicted[view], 0, confidences[view])
        assert (cleaned != data[f"clean.im_conf.{view}"]).float().mean() <= 0.005
        assert abs(int(contradicted[view].sum()) - int(data["clean.changed_pixels"][view])) <= 5


def test_a_speck_before_a_wall_is_contradicted_where_the_surer_view_looks_past_it():
    wall = torch.full((13, 23), 4.0)
    speck = wall.clone()
    speck[5, 9] = 2.0
    # From 0.4 to the left, the speck (f = 20, depth 2) is 4 pixels farther right than from the first view, at 13.

    wrong, right = contradicted_points(
        [speck, wall], [torch.full_like(wall, 2), torch.full_like(wall, 3)], *two_views(moved(0.4))
    )

    assert wrong.nonzero().tolist() == [[5, 9]]
    assert not right.any()


@pytest.mark.parametrize("kept", [{"surer": 2.0}, {"hole": True}, {"unknown": torch.nan}, {"tolerance": 0.6}])
def test_nobody_contradicts_who_is_less_sure_or_does_not_look_there(kept):
    wall = torch.full((13, 23), 4.0)
    speck = wall.clone()
    speck[5, 9] = 2.0
    if "hole" in kept:
        wall[5, 13] = 0.0
    if "unknown" in kept:
        wall[5, 13] = kept["unknown"]

    wrong, _ = contradicted_points(
        [speck, wall],
        [torch.full_like(wall, 2), torch.full_like(wall, kept.get("surer", 3.0))],
        *two_views(moved(0.4)),
        tolerance=kept.get("tolerance", 0.001),
    )

    assert not wrong.any()


@pytest.mark.parametrize(
    "other_from_first",
    [
        moved(0, 0, -9),
        moved(30),
        moved(0, 30),
        moved(-30),
        rigid(torch.diag(torch.tensor([-1.0, 1.0, -1.0])), torch.zeros(3)),
    ],
    ids=["behind", "right", "below", "left", "turned away"],
)
def test_views_that_see_nothing_of_each_other_contradict_nothing(other_from_first):
    near, far = torch.full((13, 23), 2.0), torch.full((13, 23), 4.0)

    masks = contradicted_points(
        [near, far], [torch.ones(13, 23), torch.full((13, 23), 9.0)], *two_views(other_from_first)
    )

    assert not any(mask.any() for mask in masks)


def test_a_contradicted_point_contradicts_no_others():
    """The first sees through the second, so that the second's points say nothing of the third."""
    depths = [torch.full((13, 23), depth) for depth in (4.0, 3.0, 2.0)]
    sure = [torch.full((13, 23), confidence) for confidence in (5.0, 4.0, 3.0)]
    one_place = torch.eye(4).expand(3, 4, 4)

    everyone = contradicted_points(depths, sure, K.expand(3, 3, 3), one_place)
    without_first = contradicted_points(depths, sure, K.expand(3, 3, 3), one_place, neighbours=[[1], [0], [1]])

    assert [bool(mask.all()) for mask in everyone] == [False, True, True]
    assert [bool(mask.any()) for mask in without_first] == [False, True, False]


def test_photos_of_other_sizes_and_without_one_known_depth_take_part():
    depths = [torch.full((13, 23), 2.0), torch.zeros(7, 5), torch.full((31, 11), 4.0)]
    matrices = torch.stack([K, K / 3 + torch.diag(torch.tensor([0, 0, 2 / 3])), K])

    masks = contradicted_points(
        depths, [torch.ones_like(d) * (k + 1) for k, d in enumerate(depths)], matrices, torch.eye(4).expand(3, 4, 4)
    )

    # The last has 11 of the first's 23 columns.
    assert masks[0].any(0).tolist() == [True] * 11 + [False] * 12
    assert not masks[1].any()
    assert [mask.shape for mask in masks] == [(13, 23), (7, 5), (31, 11)]
