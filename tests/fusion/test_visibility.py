"""Points in front of what a surer photo sees are contradicted."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scenes import make_scene, without_registration

from pointmap.fusion.visibility import clear_free_space
from pointmap.scene import Scene


@pytest.mark.parametrize("name", ["n4", "n5swin", "n3mixed"])
def test_the_reference_contradicts_the_same_points(name, golden_dir):
    data = load_file(golden_dir / "post" / f"alignment_{name}.safetensors")
    count = len(data["clean.changed_pixels"])

    cleared = clear_free_space(
        [data[f"clean.pts3d.{view}"] for view in range(count)],
        [data[f"im_conf.{view}"] for view in range(count)],
        data["traj.cosine.final.intrinsics"],
        data["traj.cosine.final.cam2world"],
    )

    for view in range(count):
        expected = data[f"clean.im_conf.{view}"]
        assert (cleared[view] != expected).float().mean() <= 0.005
        assert abs(int((cleared[view] == 0).sum()) - int(data["clean.changed_pixels"][view])) <= 5


def floating(scene: Scene) -> Scene:
    """The same scene, with a patch of the first photo brought half way to its camera, and less sure than the others."""
    from dataclasses import replace

    depths = [depth.copy() for depth in scene.depths]
    depths[0][20:28, 26:38] *= 0.6
    confidences = [scene.confidences[0] * 0.5, *scene.confidences[1:]]
    return replace(scene, depths=depths, confidences=confidences)


def test_a_patch_that_floats_before_the_wall_is_left_out():
    scene = floating(make_scene(scale=2))

    plain = scene.masks(min_confidence=1.0)[0]
    cleared = scene.masks(min_confidence=1.0, visibility_tolerance=0.05)[0]

    patch = np.zeros_like(plain)
    patch[22:26, 28:36] = True
    assert plain[patch].mean() > 0.9
    assert cleared[patch].mean() < 0.1
    assert cleared[~patch].sum() > 0.9 * plain[~patch].sum()


def test_photos_that_are_not_registered_contradict_nothing():
    scene = without_registration(make_scene(), 1)

    masks = scene.masks(visibility_tolerance=0.05)

    assert not masks[1].any()
    assert masks[0].mean() > 0.5
    assert torch.tensor(masks[2]).any()
