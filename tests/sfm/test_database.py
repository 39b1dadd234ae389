"""COLMAP's database from our matches, and back; what is no database is said to be none."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from sfm.sfm_scenes import SIZE, orbit
from sfm.test_mapping import worst_deg

from pointmap import extras
from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.sfm import MatchedPhotos, collect_matches, colmap_features, map_photos, read_database, write_database
from pointmap.sfm.models import read_model

needs_colmap = pytest.mark.skipif(
    not extras.is_installed("pycolmap"), reason="needs pycolmap: pip install 'pointmap[colmap]'"
)


def collected(matches: list[PairMatches], count: int, **settings) -> MatchedPhotos:
    return collect_matches(matches, np.tile(SIZE, (count, 1)), np.tile(np.eye(3), (count, 1, 1)), **settings)


def some_matches(i: int, j: int, ends_i: list, ends_j: list) -> PairMatches:
    return PairMatches(i, j, torch.tensor(ends_i), torch.tensor(ends_j), torch.ones(len(ends_i)))


def test_ends_that_are_one_place_become_one_keypoint_of_a_track_over_all_photos():
    near = 10.0 + 1 / 128
    photos = collected(
        [
            some_matches(0, 1, [[10.0, 20.0], [50.0, 60.0]], [[5.0, 5.0], [6.0, 6.0]]),
            some_matches(2, 0, [[7.0, 7.0]], [[near, 20.0]]),
            some_matches(1, 0, [[5.0, 5.0]], [[10.0, 20.0]]),  # known already
        ],
        3,
    )

    assert [len(keypoints) for keypoints in photos.keypoints] == [2, 2, 1]
    assert {pair: len(index) for pair, index in photos.pairs.items()} == {(0, 1): 2, (0, 2): 1}
    shared = photos.pairs[0, 2][0, 0]
    assert shared in photos.pairs[0, 1][:, 0]
    np.testing.assert_allclose(photos.keypoints[0][shared], [10.0, 20.0], atol=1 / 64)
    ends = photos.matches[0]
    assert (ends.view_i, ends.view_j) == (0, 1)
    assert ends.pixels_j[ends.pixels_i[:, 0] > 40].tolist() == [[6.0, 6.0]]


def test_inputs_that_do_not_fit_together_are_refused():
    match = some_matches(0, 1, [[1.0, 1.0]], [[2.0, 2.0]])
    with pytest.raises(InputError, match="known has 1 entries for 2 photos"):
        collected([match], 2, known=[True])
    with pytest.raises(InputError, match=r"named 'a.jpg'.*different"):
        collected([match], 2, names=["a.jpg", "a.jpg"])
    with pytest.raises(InputError, match="photos 0 and 1; there are 1"):
        collected([match], 1)


@needs_colmap
def test_reading_a_database_returns_what_was_written(tmp_path: Path):
    photos = orbit(4, points=60).photos(known=True, cameras=[0, 0, 1, 1], names=["b.jpg", "a.jpg", "c.jpg", "d.jpg"])

    found = read_database(write_database(tmp_path / "database.db", photos))

    assert found.names == photos.names
    assert list(found.pairs) == list(photos.pairs)
    for pair, index in photos.pairs.items():
        np.testing.assert_array_equal(sorted(found.pairs[pair].tolist()), sorted(index.tolist()))
    for ours, theirs in zip(photos.keypoints, found.keypoints, strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-4)
    np.testing.assert_allclose(found.intrinsics, photos.intrinsics)
    np.testing.assert_array_equal(found.image_sizes, photos.image_sizes)
    assert found.cameras.tolist() == [1, 1, 2, 2]
    assert found.known.all()


@needs_colmap
def test_colmaps_own_mapper_with_its_own_options_succeeds_on_our_database(tmp_path: Path):
    import pycolmap

    scene = orbit(12, noise_px=0.2, step_deg=8)
    path = write_database(tmp_path / "database.db", scene.photos())
    (tmp_path / "models").mkdir()

    models = pycolmap.incremental_mapping(path, tmp_path, tmp_path / "models")

    assert [model.num_reg_images() for model in models.values()] == [12]
    assert worst_deg(read_model(tmp_path / "models").world_from_cam, scene.world_from_cam) < 0.5


@needs_colmap
def test_a_database_is_replaced_as_a_whole(tmp_path: Path):
    path = tmp_path / "database.db"
    write_database(path, orbit(4, points=40).photos(), verify=False)

    write_database(path, orbit(3, points=40).photos(), verify=False)

    assert len(read_database(path).names) == 3
    assert list(tmp_path.iterdir()) == [path]


@needs_colmap
def test_what_is_no_database_is_refused_with_the_reason(tmp_path: Path):
    path = tmp_path / "database.db"
    with pytest.raises(InputError, match="No database"):
        read_database(path)
    path.touch()
    with pytest.raises(InputError, match="is empty"):
        read_database(path)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="is damaged, or not a COLMAP database"):
        read_database(path)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE birds (name TEXT)")
    with pytest.raises(InputError, match=r"is no COLMAP database: it has no table cameras"):
        read_database(path)
    write_database(path, collected([], 0))
    with pytest.raises(InputError, match="holds no photos"):
        read_database(path)


@needs_colmap
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_damaged_database_is_said_to_be_damaged(tmp_path: Path, part):
    path = write_database(tmp_path / "database.db", orbit(6).photos(), verify=False)
    content = bytearray(path.read_bytes())
    middle = int(part * len(content))
    content[middle : middle + 20000] = bytes(range(250)) * 80
    path.write_bytes(content[: len(content) // 2] if part > 0.8 else content)

    with pytest.raises(InputError, match="damaged"):
        read_database(path)


@needs_colmap
def test_colmap_never_hears_of_extractors_that_would_abort_the_process(tmp_path: Path):
    import pycolmap

    photo = tmp_path / "photo.jpg"
    for name in {*pycolmap.FeatureExtractorType.__members__, "aliked"} - {"SIFT"}:
        with pytest.raises(InputError, match=rf"'{name}' cannot be used: choose 'sift'"):
            colmap_features([photo], extractor=name)


def test_without_pycolmap_everything_that_needs_it_says_what_to_install(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(extras, "is_installed", lambda package: False)
    (tmp_path / "database.db").touch()
    photos = orbit(3, points=40).photos()

    for action in (
        lambda: write_database(tmp_path / "new.db", photos),
        lambda: read_database(tmp_path / "database.db"),
        lambda: map_photos(photos),
    ):
        with pytest.raises(InputError, match=r"pip install 'pointmap\[colmap\]'"):
            action()
    assert not (tmp_path / "new.db").exists()
