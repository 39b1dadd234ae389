"""The package as a method: its options, and whose result belongs to which photo."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from miniature_world import World, photograph
from PIL import Image

from pointmap.errors import InputError
from pointmap.eval.estimate import Estimate
from pointmap.eval.methods.engine import choose_map
from pointmap.eval.methods.method import Method, MethodSpec
from pointmap.eval.task import Inputs

QUICK = "poses=network,depth=network,refine=align"


@pytest.fixture(scope="module")
def world() -> World:
    return photograph(4, (150, 320), step_deg=8)


@pytest.fixture(scope="module")
def method() -> Method:
    return MethodSpec.parse(f"pointmap:{QUICK}").build(network="tiny", device="cpu")


@pytest.fixture(scope="module")
def photos(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """All called the same; the second one is damaged."""
    folder = tmp_path_factory.mktemp("photos")
    files = []
    for index, image in enumerate(world.images):
        files.append(folder / str(index) / "same.png")
        files[-1].parent.mkdir()
        Image.fromarray(image).save(files[-1])
    files.insert(1, folder / "damaged.png")
    files[1].write_bytes(files[0].read_bytes()[:200])
    return tuple(files)


@pytest.fixture(scope="module")
def given(world: World, method: Method, photos: tuple[Path, ...]) -> Estimate:
    """Of five photos with the cameras of the first two readable ones, the last photo left out."""
    K, poses = (np.insert(array, 1, array[0], axis=0)[:4] for array in (world.intrinsics, world.world_from_cam))
    K, poses = K.copy(), poses.copy()
    poses[3] = np.nan
    K[3] = np.nan
    return method.estimate(Inputs(photos[:4], intrinsics=K, world_from_cam=poses), seed=0)


def test_results_belong_to_their_photos_and_a_damaged_one_has_none(given: Estimate, world: World):
    assert np.isnan(given.world_from_cam[1]).all()
    assert given.depths[1] is None
    np.testing.assert_allclose(given.world_from_cam[[0, 2]], world.world_from_cam[:2], atol=1e-5)
    np.testing.assert_allclose(given.intrinsics[[0, 2]], world.intrinsics[:2], rtol=1e-5)
    assert np.isfinite(given.world_from_cam[3]).all()
    assert given.sizes[[0, 2, 3]].tolist() == [[320, 150]] * 3
    assert given.notes["skipped"][0]["name"] == "damaged.png"
    assert not given.metric


def test_maps_cover_the_part_of_the_photo_that_the_network_saw(given: Estimate):
    # This is no whole number of patches in both directions: something is cut off, the same on either side.
    left, top, right, bottom = given.regions[0]
    height, width = given.depths[0].shape

    assert left == pytest.approx(320 - right, abs=1e-6)
    assert top == pytest.approx(150 - bottom, abs=1e-6)
    assert (left, top) != pytest.approx((0, 0), abs=1e-6)
    assert width / (right - left) == pytest.approx(height / (bottom - top), rel=0.02)
    assert given.confidences[0].shape == (height, width)


def test_single_photos_are_reconstructed_apart(method: Method, photos: tuple[Path, ...]):
    both = method.estimate(Inputs(photos[2:4], kind="single"), seed=0)
    alone = method.estimate(Inputs(photos[3:4], kind="single"), seed=0)

    np.testing.assert_allclose(both.world_from_cam, [np.eye(4)] * 2, atol=1e-6)
    np.testing.assert_array_equal(both.depths[1], alone.depths[0])


def test_queries_are_localised_in_the_map_of_the_given_photos(method: Method, world: World, photos: tuple[Path, ...]):
    chosen = (photos[0], *photos[2:])
    poses = world.world_from_cam.copy()
    poses[1] = np.nan
    inputs = Inputs(chosen, intrinsics=world.intrinsics, world_from_cam=poses, queries=(1,))

    found = method.estimate(inputs, seed=0)

    np.testing.assert_array_equal(found.world_from_cam[[0, 2, 3]], poses[[0, 2, 3]])
    assert np.linalg.norm(found.world_from_cam[1, :3, 3] - world.world_from_cam[1, :3, 3]) < 0.1
    assert found.notes["localization"] == {"map": 3, "localised": 1, "lost": []}
    assert found.notes["query_confidence"][0] > 10
    assert found.depths[1] is None


def test_a_large_map_is_what_retrieval_names_first_or_spread_evenly():
    inputs = Inputs(tuple(Path(str(index)) for index in range(12)), queries=(0, 11))

    assert choose_map(inputs, 4) == [1, 4, 7, 10]
    assert choose_map(replace(inputs, neighbours=((9, 3, 1), (9, 5))), 3) == [3, 5, 9]


def test_the_name_and_the_settings_say_what_differs_from_the_defaults(method: Method):
    assert method.name == "pointmap-tiny+depth=network+poses=network+refine=align"
    assert "mesh" not in method.gives
    settings = method.settings()
    assert settings["options"]["poses"] == "network"
    assert len(settings["weights"]) == len(settings["code"]) == 64


def test_options_are_those_of_reconstruct_with_its_choices():
    options = MethodSpec.parse("pointmap:image_size=224,shared_focal=true,pairs=window-2").build(network="tiny")
    assert options.name == "pointmap-tiny+image_size=224+pairs=window-2+shared_focal=true"

    with pytest.raises(InputError, match="pointmap:poses is 'colmap'; it can be auto, network, sfm"):
        MethodSpec.parse("pointmap:poses=colmap").build(network="tiny")
    with pytest.raises(InputError, match="no option 'masks'"):
        MethodSpec.parse("pointmap:masks=x").build(network="tiny")
