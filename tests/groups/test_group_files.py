"""Groups that are kept on disk."""

import numpy as np
import pytest
import torch

from pointmap.errors import InputError
from pointmap.groups import load_groups, save_groups
from pointmap.scene import Group, LazyGroup


def make_groups():
    random = np.random.default_rng(0)
    groups = []
    for views, shapes in (((3, 1), [(4, 6), (6, 4)]), ((1, 0, 2), [(6, 4), (4, 6), (5, 7)])):
        points = [random.standard_normal((*shape, 3)).astype(np.float32) for shape in shapes]
        groups.append(Group(views, points, [random.uniform(1, 9, shape).astype(np.float32) for shape in shapes]))
    return groups


def assert_same(lazy, groups):
    assert [group.views for group in lazy] == [group.views for group in groups]
    for kept, group in zip(lazy, groups, strict=True):
        loaded = kept.load()
        assert loaded.views == group.views
        for name in ("points", "confidences"):
            for found, expected in zip(getattr(loaded, name), getattr(group, name), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_groups_come_back_from_a_folder_as_they_were(tmp_path):
    groups = make_groups()

    saved = save_groups(groups, tmp_path / "new" / "groups")

    assert_same(saved, groups)
    assert_same(load_groups(tmp_path / "new" / "groups"), groups)


def test_tensors_and_lazy_groups_are_saved_as_well(tmp_path):
    groups = make_groups()
    tensors = Group(
        groups[0].views,
        [torch.tensor(points) for points in groups[0].points],
        [torch.tensor(confidence, requires_grad=True) for confidence in groups[0].confidences],
    )

    save_groups([tensors, LazyGroup(groups[1].views, lambda: groups[1])], tmp_path)

    assert_same(load_groups(tmp_path), groups)


def test_a_changed_array_does_not_change_the_file(tmp_path):
    groups = make_groups()
    save_groups(groups, tmp_path)

    load_groups(tmp_path)[0].load().points[0][:] = 0

    assert_same(load_groups(tmp_path), groups)


def test_groups_are_written_one_by_one(tmp_path):
    written = []

    def one_by_one():
        for group in make_groups():
            written.append(len(list(tmp_path.glob("*.safetensors"))))
            yield group

    save_groups(one_by_one(), tmp_path)

    assert written == [0, 1]


def test_new_groups_take_the_place_of_old_ones(tmp_path):
    save_groups(make_groups(), tmp_path)

    save_groups(make_groups()[1:], tmp_path)

    assert_same(load_groups(tmp_path), make_groups()[1:])
    assert len(list(tmp_path.iterdir())) == 2


def test_an_error_midway_leaves_the_folder_as_it_was(tmp_path):
    save_groups(make_groups(), tmp_path)
    before = sorted(tmp_path.iterdir())

    def broken():
        yield make_groups()[0]
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        save_groups(broken(), tmp_path)

    assert sorted(tmp_path.iterdir()) == before
    assert_same(load_groups(tmp_path), make_groups())


def test_a_folder_may_be_rewritten_with_its_own_groups(tmp_path):
    save_groups(make_groups(), tmp_path)

    save_groups(load_groups(tmp_path)[::-1], tmp_path)

    assert_same(load_groups(tmp_path), make_groups()[::-1])


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"holds no groups: there is no groups\.json"):
        load_groups(tmp_path)

    save_groups(make_groups(), tmp_path)
    kept = load_groups(tmp_path)
    victim = sorted(tmp_path.glob("*.safetensors"))[1]
    victim.write_bytes(victim.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        kept[1].load()

    victim.unlink()
    with pytest.raises(InputError, match="lacks 1 of its 2 groups"):
        load_groups(tmp_path)

    (tmp_path / "groups.json").write_text('{"version": 99}')
    with pytest.raises(InputError, match="version 99"):
        load_groups(tmp_path)

    (tmp_path / "groups.json").write_text("[")
    with pytest.raises(InputError, match="cannot be read as a list of groups"):
        load_groups(tmp_path)


def test_a_list_that_names_files_elsewhere_is_refused(tmp_path):
    (tmp_path / "groups.json").write_text('{"version": 1, "groups": [{"file": "../x.safetensors", "views": [0, 1]}]}')

    with pytest.raises(InputError, match="outside the folder"):
        load_groups(tmp_path)
