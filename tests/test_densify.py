"""Stereo on the road: an alignment whose cameras are exact and whose depth maps are not."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pointmap.alignment import Alignment
from pointmap.densify import contradicted, densify
from pointmap.scene import View

sys.path.insert(0, str(Path(__file__).parent / "stereo"))
from stereo_scenes import Photos, bent, errors, take_photos


def aligned(photos: Photos, depths: list[torch.Tensor]) -> tuple[Alignment, list[View], list[View]]:
    """The alignment on working images of half the photos' size, those images, and the photos themselves."""
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    small, large = [], []
    for index, image in enumerate(photos.images):
        pixels = image.numpy()
        size = pixels.shape[1], pixels.shape[0]
        large.append(View(f"{index}", pixels, size, np.eye(3)))
        small.append(View(f"{index}", np.ascontiguousarray(pixels[::2, ::2]), size, half))
    alignment = Alignment(
        world_from_cam=photos.world_from_cam.double().numpy(),
        intrinsics=half @ photos.intrinsics.double().numpy(),
        depths=[torch.nn.functional.avg_pool2d(depth[None], 2)[0].numpy() for depth in depths],
        confidences=[np.full((depth.shape[0] // 2, depth.shape[1] // 2), 3.0, np.float32) for depth in depths],
        registered=np.ones(len(depths), bool),
        world_from_group=np.zeros((0, 4, 4)),
        loss=0.0,
    )
    return alignment, small, large


def test_depths_become_those_of_the_photos_and_confidence_grows_where_they_agree():
    photos = take_photos(shapes=[(96, 128), (128, 96), (96, 128), (96, 128)])
    true, _, _ = aligned(photos, photos.depths)
    alignment, small, large = aligned(photos, bent(photos.depths))
    alignment = replace(alignment, registered=np.array([True, True, True, False]))

    result = densify(alignment, small, large)

    for index in range(3):
        found, before = (torch.from_numpy(a.depths[index]) for a in (result, alignment))
        expected = torch.from_numpy(true.depths[index])
        assert errors(before, expected).median() > 0.03
        assert errors(found, expected).median() < 0.012
        assert np.median(result.confidences[index]) > 4
    assert np.array_equal(result.depths[3], alignment.depths[3])
    assert np.array_equal(result.confidences[3], alignment.confidences[3])


def test_what_hangs_before_a_confirmed_surface_is_contradicted():
    photos = take_photos(shapes=[(96, 128)] * 3)
    alignment, _, _ = aligned(photos, photos.depths)
    sure = [np.ones(depth.shape) for depth in alignment.depths]
    alignment.depths[0][10:20, 20:40] *= 0.8
    sure[0][10:20, 20:40] = 0

    floating = contradicted(alignment, sure)

    assert floating[0][10:20, 20:40].mean() > 0.9
    assert floating[0].sum() == floating[0][10:20, 20:40].sum()
    assert not floating[1].any()
    assert not floating[2].any()
