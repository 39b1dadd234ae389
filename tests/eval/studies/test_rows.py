"""Depth and missing photos in the rows of benchmarks, on a scene known in closed form."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene, render

from pointmap.eval.ground_truth import GroundTruth, load_ground_truth
from pointmap.eval.studies.rows import Estimate, failure, markdown, score
from pointmap.export.cameras import cameras_dict
from pointmap.scene import Scene


@pytest.fixture
def scene() -> Scene:
    return make_scene(scale=2, num_photos=3)


def with_depth(scene: Scene, folder: Path) -> GroundTruth:
    """True depth of the size of the photos: the first as a picture in millimetres, the last as an array."""
    content = cameras_dict(scene)
    maps = [
        render(K, pose, *size)[0]
        for K, pose, size in zip(scene.intrinsics, scene.world_from_cam, scene.image_sizes.tolist(), strict=True)
    ]
    Image.fromarray((1000 * maps[0]).round().astype(np.uint16)).save(folder / "0.png")
    np.savez(folder / "2.npz", depth=maps[2])
    content["images"][0] |= {"depth": "0.png", "depth_scale": 0.001}
    content["images"][2] |= {"depth": "2.npz"}
    (folder / "cameras.json").write_text(json.dumps(content))
    return load_ground_truth(folder)


def test_depth_is_compared_pixel_by_pixel_and_without_its_scale(scene: Scene, tmp_path: Path):
    truth = with_depth(scene, tmp_path)
    larger = replace(scene, depths=[3 * depth for depth in scene.depths])

    row = score(truth, Estimate.of(larger, truth), method="ours")

    assert row.depth_absrel < 0.01  # rounding to whole pixels, at edges
    assert row.depth_within_125 > 0.98
    assert row.auc_30 == 1
    assert row.focal_error < 1e-6


def test_one_scale_holds_for_the_whole_set(scene: Scene, tmp_path: Path):
    truth = with_depth(scene, tmp_path)
    uneven = replace(scene, depths=[scene.depths[0], scene.depths[1], 2 * scene.depths[2]])

    row = score(truth, Estimate.of(uneven, truth), method="ours")

    assert row.depth_absrel > 0.2


def test_an_unregistered_photo_counts_as_wrong_and_has_no_focal_or_depth(scene: Scene, tmp_path: Path):
    truth = with_depth(scene, tmp_path)
    lost = replace(scene, registered=np.array([True, True, False]))

    row = score(truth, Estimate.of(lost, truth), method="ours")

    assert row.registered == 2
    assert row.rra_15 == row.rta_15 == row.auc_30 == pytest.approx(1 / 3)
    assert row.depth_absrel < 0.01


def test_a_method_that_failed_is_wrong_everywhere_and_says_why(scene: Scene, tmp_path: Path):
    row = failure(with_depth(scene, tmp_path), "COLMAP", TimeoutError("gave up"))

    assert (row.photos, row.registered, row.auc_30, row.rotation_deg) == (3, 0, 0, 180)
    assert row.error == "TimeoutError: gave up"


def test_a_table_reads_as_text_and_as_markdown():
    assert markdown(("set", "AUC"), [("fox", "1.5"), ("buddha", "22.0")]).splitlines() == [
        "| set    |  AUC |",
        "| :----- | ---: |",
        "| fox    |  1.5 |",
        "| buddha | 22.0 |",
    ]
