"""What a surer photo sees through is left out of masks."""

import numpy as np
import torch
from scenes import make_scene, without_registration

from pointmap.scene import Scene


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
