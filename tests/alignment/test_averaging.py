"""Poses of views and groups from similarities between them, of which some are nonsense."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from pointmap.alignment.averaging import Averaged, average
from pointmap.geometry.rotations import rotation_from_vector, vector_from_rotation
from pointmap.geometry.similarity import invert_similarity, split_similarity
from pointmap.geometry.transforms import rigid, transform_points

Groups = list[tuple[int, ...]]


@dataclass
class World:
    """Views around a scene at the origin, at a distance of about 1, and what groups say of them."""

    groups: Groups
    world_from_view: Tensor
    view_from_group: Tensor
    centres: Tensor
    group_of: Tensor
    view_of: Tensor
    strengths: Tensor

    def average(self) -> Averaged:
        return average(
            self.view_from_group,
            self.centres,
            torch.full_like(self.strengths, 0.01),
            self.strengths,
            self.group_of,
            self.view_of,
            len(self.world_from_view),
            len(self.groups),
        )


def similarities(count: int, generator: torch.Generator, *, degrees: float, scale: float, offset: float) -> Tensor:
    vectors, factors, offsets = (torch.randn(count, n, dtype=torch.float64, generator=generator) for n in (3, 1, 3))
    rotation = rotation_from_vector(vectors.deg2rad() * degrees)
    return rigid((scale * factors).exp()[..., None] * rotation, offset * offsets)


def make_world(groups: Groups, num_views: int, *, noise: float = 0.0, seed: int = 0) -> World:
    """`noise` in degrees, hundredths of scale and hundredths of the scene's distance."""
    generator = torch.Generator().manual_seed(seed)
    world_from_view = similarities(num_views, generator, degrees=60, scale=0.1, offset=0.5)
    world_from_group = similarities(len(groups), generator, degrees=60, scale=0.5, offset=1)
    group_of = torch.tensor([g for g, views in enumerate(groups) for _ in views])
    view_of = torch.tensor([view for views in groups for view in views])
    errors = similarities(len(view_of), generator, degrees=noise, scale=noise / 100, offset=noise / 100)
    view_from_group = invert_similarity(world_from_view)[view_of] @ world_from_group[group_of]
    centres = invert_similarity(world_from_group)[group_of, :3, 3]
    # Errors turn about the scene.
    about = torch.eye(4, dtype=torch.float64).repeat(len(view_of), 1, 1)
    about[:, :3, 3] = transform_points(view_from_group, centres[:, None])[:, 0]
    view_from_group = about @ errors @ invert_similarity(about) @ view_from_group
    strengths = torch.ones(len(view_of), dtype=torch.float64)
    return World(groups, world_from_view, view_from_group, centres, group_of, view_of, strengths)


def spoil(world: World, share: float, *, seed: int = 0) -> set[int]:
    """Both directions of so many pairs tell one wrong story, with high confidence; the numbers of these groups."""
    generator = torch.Generator().manual_seed(seed)
    pairs = sorted({tuple(sorted(views)) for views in world.groups})
    chosen = [pairs[n] for n in torch.randperm(len(pairs), generator=generator)[: round(share * len(pairs))]]
    wrong = similarities(len(chosen), generator, degrees=60, scale=0.3, offset=0.7)
    bad = set()
    for pair, a_from_b in zip(chosen, wrong, strict=True):
        for g, views in enumerate(world.groups):
            if tuple(sorted(views)) != pair:
                continue
            bad.add(g)
            a, b = (world.group_of == g).nonzero()[:, 0].tolist()
            relation = a_from_b if views == pair else invert_similarity(a_from_b)
            world.view_from_group[b] = invert_similarity(relation) @ world.view_from_group[a]
            world.strengths[[a, b]] = 5.0
    return bad


def complete(views: int) -> Groups:
    return [(i, j) for i in range(views) for j in range(views) if i != j]


def window(views: int, reach: int) -> Groups:
    return [(i, (i + step) % views) for i in range(views) for step in range(-reach, reach + 1) if step]


def errors(result: Averaged, world: World) -> tuple[float, float, float]:
    """Largest errors over all two views: degrees between them, logarithm of scale, place of the scene."""
    found, true = result.world_from_view, world.world_from_view
    between = [split_similarity(invert_similarity(w)[:, None] @ w[None]) for w in (found, true)]
    turn = vector_from_rotation(between[0][1].mT @ between[1][1]).norm(dim=-1).rad2deg().max()
    stretch = (between[0][0] / between[1][0]).log().abs().max()
    # Where every view has the scene's middle, which truly is one point.
    middle = invert_similarity(true)[:, :3, 3]
    spots = transform_points(found, middle[:, None])[:, 0]
    scale = split_similarity(found)[0].mean()
    return float(turn), float(stretch), float(torch.cdist(spots, spots).max() / scale)


@pytest.mark.parametrize(
    ("groups", "views"),
    [
        (complete(4), 4),
        (window(30, 2), 30),
        ([(0, 1, 2), (2, 3, 1, 4)], 5),
        ([(0, 1), (1, 2), (3, 2)], 4),
        ([tuple(range(12)), tuple(range(10, 20))], 20),
    ],
)
def test_exact_similarities_give_exact_poses_and_full_weights(groups, views):
    world = make_world(groups, views)

    result = world.average()

    assert max(errors(result, world)) < 1e-6
    assert (result.group_weights == 1).all()
    predicted = result.world_from_view[world.view_of] @ world.view_from_group
    torch.testing.assert_close(result.world_from_group[world.group_of], predicted)
    assert result.reached.all()


@pytest.mark.parametrize(("groups", "views"), [(complete(8), 8), (window(40, 5), 40)])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_pairs_that_contradict_their_cycles_hardly_count(groups, views, share):
    clean = make_world(groups, views, noise=1.0)
    world = make_world(groups, views, noise=1.0)
    bad = spoil(world, share, seed=1)

    result = world.average()

    before, after = errors(clean.average(), clean), errors(result, world)
    assert all(spoilt < 2 * unspoilt + 0.05 for spoilt, unspoilt in zip(after, before, strict=True))
    wrong = torch.tensor([g in bad for g in range(len(groups))])
    assert (result.group_weights[wrong] < 0.05).all()
    assert (result.group_weights[~wrong] == 1).double().mean() > 0.98


def test_a_group_of_wrong_scale_is_told_by_its_scale():
    world = make_world(complete(5), 5, noise=0.5)
    world.view_from_group[7, :3, :3] *= 2.0
    world.view_from_group[7, :3, 3] *= 2.0

    result = world.average()

    assert result.group_weights[3] < 0.05
    assert (result.group_weights == 1).sum() == len(world.groups) - 1
    degrees, log_scale, _ = result.group_disagreements[3].tolist()
    assert degrees < 3
    assert log_scale == pytest.approx(0.69, abs=0.1)


def test_noise_alone_puts_no_group_in_doubt():
    for seed in range(5):
        world = make_world(complete(6), 6, noise=1.5, seed=seed)

        assert (world.average().group_weights == 1).all()


def test_without_cycles_nothing_is_doubted():
    world = make_world([(0, 1), (1, 2), (2, 3)], 4)
    world.view_from_group[3] = similarities(1, torch.Generator(), degrees=90, scale=1, offset=1)[0]

    result = world.average()

    assert (result.group_weights == 1).all()
    assert result.group_disagreements.max() < 1e-6


def contradict(world: World, group: int, *, degrees: float) -> None:
    """Turn what the pair says of its second view about the scene."""
    obs = int((world.group_of == group).nonzero()[1, 0])
    turn = rigid(rotation_from_vector(torch.tensor([0.0, degrees, 0.0]).double().deg2rad()), torch.zeros(3).double())
    about = torch.eye(4, dtype=torch.float64)
    about[:3, 3] = transform_points(world.view_from_group[obs], world.centres[obs, None])[0]
    world.view_from_group[obs] = about @ turn @ invert_similarity(about) @ world.view_from_group[obs]


def test_two_directions_that_differ_a_little_are_averaged():
    world = make_world([(0, 1), (1, 0)], 2)
    contradict(world, 1, degrees=16)

    result = world.average()

    assert (result.group_weights == 1).all()
    assert errors(result, world)[0] == pytest.approx(8, abs=0.5)


def test_of_two_directions_that_exclude_each_other_one_is_believed():
    world = make_world([pair for k in range(60) for pair in ((k, k + 1), (k + 1, k))], 61, noise=1.0)
    clean = errors(world.average(), world)
    contradict(world, 41, degrees=90)
    world.strengths[world.group_of == 41] = 0.8

    result = world.average()

    assert (result.group_weights < 0.5).nonzero()[:, 0].tolist() == [41]
    assert errors(result, world)[0] < 2 * clean[0]


def test_one_wrong_view_does_not_spoil_a_group_of_many():
    groups = [tuple(range(first, first + 6)) for first in (0, 2, 4, 6)]
    world = make_world([*groups, *complete(12)], 12, noise=0.5)
    world.view_from_group[8] = similarities(1, torch.Generator(), degrees=90, scale=1, offset=1)[0]

    result = world.average()

    assert (result.group_weights[:4] == 1).all()
    assert errors(result, world)[0] < 3


def test_separate_parts_come_largest_first_each_in_a_world_of_its_own():
    world = make_world([(0, 1), (1, 0), (3, 4), (4, 5), (6, 6)], 8)

    result = world.average()

    assert [sorted(part) for part in result.parts] == [[3, 4, 5], [0, 1], [6]]
    assert result.reached.tolist() == [False] * 3 + [True] * 3 + [False] * 2
    assert result.world_from_view.isfinite().all()


def test_observations_without_strength_do_not_tie():
    world = make_world([(0, 1), (1, 2)], 3)
    world.strengths[3] = 0

    result = world.average()

    assert [sorted(part) for part in result.parts] == [[0, 1], [2]]
    assert result.world_from_group.isfinite().all()


def test_numbering_views_and_groups_differently_changes_nothing():
    world = make_world(window(20, 4), 20, noise=2.0)
    bad = spoil(world, 0.2)
    expected = world.average()
    generator = torch.Generator().manual_seed(5)
    for _ in range(5):
        views, groups = (torch.randperm(n, generator=generator) for n in (20, len(world.groups)))
        order = torch.cat([(world.group_of == g).nonzero()[:, 0] for g in groups])
        place = groups.argsort()
        shuffled = average(
            world.view_from_group[order],
            world.centres[order],
            torch.full_like(world.strengths, 0.01),
            world.strengths[order],
            place[world.group_of[order]],
            views[world.view_of[order]],
            20,
            len(groups),
        )
        anchor = expected.world_from_view[0] @ invert_similarity(shuffled.world_from_view[views[0]])
        torch.testing.assert_close(
            anchor @ shuffled.world_from_view[views], expected.world_from_view, atol=1e-3, rtol=0
        )
        torch.testing.assert_close(shuffled.group_weights[place], expected.group_weights, atol=1e-3, rtol=0)
    assert (expected.group_weights[sorted(bad)] < 0.05).all()
