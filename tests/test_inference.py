"""Predictions of pairs: each photo encoded once, batches and cache change nothing, interruption loses nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pointmap.errors import Cancelled, InputError
from pointmap.inference import SkyMaps, image_tensor, network_fingerprint, predict_pairs
from pointmap.memory import OutOfMemory
from pointmap.models import PRESETS, Network
from pointmap.scene import View


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(PRESETS["nano"]).eval()


def make_views(*sizes):
    rng = np.random.default_rng(0)
    return [
        View(f"{index}.png", rng.integers(0, 256, (height, width, 3), np.uint8), (width, height), np.eye(3))
        for index, (height, width) in enumerate(sizes)
    ]


def count_calls(monkeypatch, network, name):
    sizes = []
    method = getattr(network, name)

    def counted(first, *rest):
        sizes.append(len(first))
        return method(first, *rest)

    monkeypatch.setattr(network, name, counted)
    return sizes


COMPLETE = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]


def test_a_group_is_what_the_network_says_of_its_pair(network):
    views = make_views((32, 48), (32, 48))

    (group,) = predict_pairs(network, views, [(1, 0)])

    with torch.no_grad():
        expected = network(image_tensor(views[1], "cpu"), image_tensor(views[0], "cpu"))
    assert group.views == (1, 0)
    torch.testing.assert_close(group.points[0], expected.points_i[0])
    torch.testing.assert_close(group.points[1], expected.points_j[0])
    torch.testing.assert_close(group.confidences[1], expected.confidence_j[0])


def test_groups_can_enter_an_objective_with_gradients(network):
    (group,) = predict_pairs(network, make_views((32, 48), (32, 48)), [(0, 1)])
    scale = torch.ones((), requires_grad=True)

    (scale * group.points[0]).square().sum().backward()

    assert scale.grad > 0


def test_one_changed_weight_makes_another_fingerprint(network):
    before = network_fingerprint(network)
    changed = Network(PRESETS["nano"]).eval()
    changed.load_state_dict(network.state_dict())
    assert network_fingerprint(changed) == before

    with torch.no_grad():
        changed.enc_blocks[0].mlp.fc1.weight[3, 5] *= 1.0001

    assert network_fingerprint(changed) != before


def test_each_photo_is_encoded_once_however_many_pairs_it_is_in(network, monkeypatch):
    encoded = count_calls(monkeypatch, network, "encode")

    predict_pairs(network, make_views((32, 48), (32, 48), (32, 48)), COMPLETE)

    assert sum(encoded) == 3


def test_photos_of_different_sizes_meet_and_the_order_of_pairs_is_kept(network):
    views = make_views((32, 48), (48, 32), (32, 48))

    groups = predict_pairs(network, views, COMPLETE)

    assert [group.views for group in groups] == COMPLETE
    for group in groups:
        assert [tuple(points.shape[:2]) for points in group.points] == [views[v].image.shape[:2] for v in group.views]


def test_batches_change_nothing(network):
    views = make_views((32, 48), (32, 48), (32, 48))

    together = predict_pairs(network, views, COMPLETE, batch_size=6)
    alone = predict_pairs(network, views, COMPLETE, batch_size=1)

    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a.points[1], b.points[1], rtol=1e-4, atol=1e-5)


MEMORY_RAN_OUT = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    MemoryError(),
]


@pytest.mark.parametrize("error", MEMORY_RAN_OUT, ids=lambda error: type(error).__name__)
def test_batches_are_smaller_from_where_memory_ran_out_and_a_note_says_so(error, network, monkeypatch):
    decode, sizes, notes = network.decode, [], []

    def small_memory(encoding_i, encoding_j):
        sizes.append(len(encoding_i))
        if len(encoding_i) > 2:
            raise error
        return decode(encoding_i, encoding_j)

    monkeypatch.setattr(network, "decode", small_memory)
    views, pairs = make_views(*[(32, 48)] * 4), [(i, j) for i in range(4) for j in range(4) if i != j]

    groups = predict_pairs(network, views, pairs, batch_size=8, notes=notes)

    assert [group.views for group in groups] == pairs
    assert sizes == [2, 8, 4, 2, 2, 2, 2, 2]
    assert notes == ["Memory ran out: pairs were predicted 2 at a time instead of 8."]


def test_encodings_are_given_up_before_the_work_is(network, monkeypatch):
    decode, encode, failed = network.decode, count_calls(monkeypatch, network, "encode"), []

    def full_of_encodings(encoding_i, encoding_j):
        if len(encode) == 3 and not failed:
            failed.append(True)
            raise MemoryError
        return decode(encoding_i, encoding_j)

    monkeypatch.setattr(network, "decode", full_of_encodings)
    notes = []

    groups = predict_pairs(network, make_views((32, 48), (32, 48), (32, 48)), COMPLETE, batch_size=1, notes=notes)

    assert [group.views for group in groups] == COMPLETE
    assert len(encode) > 3
    assert notes == []


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_a_pair_that_does_not_fit_into_memory_costs_advice(part, network, monkeypatch):
    def no_memory(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(network, part, no_memory)

    with pytest.raises(OutOfMemory, match=r"48 x 32 pixels.*smaller image_size.*fewer photos.*device='cpu'"):
        predict_pairs(network, make_views((32, 48), (32, 48), (32, 48)), COMPLETE, batch_size=4)


def test_other_errors_are_no_matter_of_memory(network, monkeypatch):
    def broken(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(network, "decode", broken)

    with pytest.raises(RuntimeError, match="mat1"):
        predict_pairs(network, make_views((32, 48), (32, 48)), [(0, 1), (1, 0)])


def test_the_first_two_photos_come_first_and_groups_are_told_as_they_come(network, tmp_path):
    views, told = make_views((32, 48), (32, 48), (32, 48)), []

    def run():
        told.clear()
        predict_pairs(
            network,
            views,
            COMPLETE,
            batch_size=3,
            cache=tmp_path,
            on_groups=lambda groups: told.append([group.views for group in groups]),
        )
        return told

    assert run() == [[(0, 1), (1, 0)], [(0, 2), (2, 0), (1, 2)], [(2, 1)]]
    assert run() == [COMPLETE]  # from the cache


def test_one_photo_is_its_own_pair(network):
    (group,) = predict_pairs(network, make_views((32, 48)), [(0, 0)])

    assert group.views == (0, 0)


def test_an_interrupted_run_continues_from_its_cache(network, monkeypatch, tmp_path):
    views = make_views((32, 48), (32, 48), (32, 48))

    def stop_at_four(stage, done, total):
        if done >= 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        predict_pairs(network, views, COMPLETE, batch_size=2, cache=tmp_path, progress=stop_at_four)
    decoded = count_calls(monkeypatch, network, "decode")
    groups = predict_pairs(network, views, COMPLETE, batch_size=2, cache=tmp_path)

    assert sum(decoded) == 2
    fresh = predict_pairs(network, views, COMPLETE, batch_size=2)
    for a, b in zip(groups, fresh, strict=True):
        assert a.views == b.views
        torch.testing.assert_close(a.points[1], b.points[1])


def test_the_cache_knows_photos_and_networks_by_content(network, monkeypatch, tmp_path):
    views = make_views((32, 48), (32, 48))
    predict_pairs(network, views, [(0, 1)], cache=tmp_path)
    renamed = [View("other.png", view.image, view.original_size, np.eye(3)) for view in views]
    changed = [views[0], View("1.png", 255 - views[1].image, (48, 32), np.eye(3))]
    torch.manual_seed(1)
    other = Network(PRESETS["nano"]).eval()

    decoded = count_calls(monkeypatch, network, "decode")
    predict_pairs(network, renamed, [(0, 1)], cache=tmp_path)
    assert sum(decoded) == 0
    predict_pairs(network, changed, [(0, 1)], cache=tmp_path)
    assert sum(decoded) == 1
    assert network_fingerprint(other) != network_fingerprint(network)


def test_a_damaged_cache_file_is_computed_anew(network, tmp_path):
    views = make_views((32, 48), (32, 48))
    (whole,) = predict_pairs(network, views, [(0, 1)], cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])

    (again,) = predict_pairs(network, views, [(0, 1)], cache=tmp_path)

    torch.testing.assert_close(again.points[0], whole.points[0])
    assert file.stat().st_size > 100


def test_a_cache_that_is_a_file_is_refused(network, tmp_path):
    (tmp_path / "cache").touch()

    with pytest.raises(InputError, match="cache"):
        predict_pairs(network, make_views((32, 48)), [(0, 0)], cache=tmp_path / "cache")


def test_the_sky_of_a_photo_is_the_mean_of_what_its_pairs_say(network):
    views = make_views((32, 48), (48, 32))
    sky = SkyMaps()

    predict_pairs(network, views, [(0, 1), (1, 0)], sky=sky)

    with torch.no_grad():
        images = [image_tensor(view, "cpu") for view in views]
        first, second = network(*images), network(*images[::-1])
    expected = (first.sky_i[0].sigmoid() + second.sky_j[0].sigmoid()) / 2
    maps = sky.maps(views)
    assert [found.shape for found in maps] == [(32, 48), (48, 32)]
    assert np.ptp(expected.numpy()) > 0.01
    np.testing.assert_allclose(maps[0], expected, atol=0.5 / 255 + 1e-6)


def test_the_cache_remembers_the_sky(network, monkeypatch, tmp_path):
    views = make_views((32, 48), (32, 48))
    fresh, cached = SkyMaps(), SkyMaps()
    predict_pairs(network, views, [(0, 1)], cache=tmp_path, sky=fresh)
    decoded = count_calls(monkeypatch, network, "decode")

    predict_pairs(network, views, [(0, 1)], cache=tmp_path, sky=cached)

    assert sum(decoded) == 0
    np.testing.assert_array_equal(cached.maps(views), fresh.maps(views))


def test_a_network_that_does_not_know_the_sky_says_nothing_of_it():
    sky = SkyMaps()

    predict_pairs(Network(replace(PRESETS["nano"], sky=False)).eval(), make_views((32, 48)), [(0, 0)], sky=sky)

    assert sky.maps(make_views((32, 48))) is None


def test_points_that_are_not_finite_count_for_nothing(network, monkeypatch):
    decode = network.decode

    def damaged(*encodings):
        prediction = decode(*encodings)
        prediction.points_i[0, 3, 5] = torch.nan
        prediction.confidence_j[0, 7, 2] = torch.inf
        return prediction

    monkeypatch.setattr(network, "decode", damaged)

    (group,) = predict_pairs(network, make_views((32, 48), (32, 48)), [(0, 1)])

    assert group.confidences[0][3, 5] == 1
    assert group.confidences[1][7, 2] == 1
    assert all(points.isfinite().all() for points in group.points)


def test_half_precision_is_near_full_precision(network):
    torch.manual_seed(0)
    half = Network(PRESETS["nano"]).eval().set_precision(torch.bfloat16)
    views = make_views((32, 48), (32, 48))

    (rounded,), (exact,) = predict_pairs(half, views, [(0, 1)]), predict_pairs(network, views, [(0, 1)])

    error = (rounded.points[0] - exact.points[0]).norm(dim=-1) / exact.points[0].norm(dim=-1)
    assert 0 < error.median() < 0.02
