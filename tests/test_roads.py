"""Roads beside the usual one: without a network, and around one object."""

from pathlib import Path

import numpy as np
import pytest

import pointmap
from pointmap.errors import InputError

ROOM = Path(__file__).parents[1] / "demo" / "photos" / "room" / "images"


@pytest.fixture(scope="module")
def photos():
    from PIL import Image

    return [np.asarray(Image.open(file).convert("RGB")) for file in sorted(ROOM.iterdir())[:3]]


def test_photos_become_a_scene_without_any_network(photos):
    early = []

    def watch(stage, done, total, scene):
        if scene is not None:
            early.append((stage, scene.registered.sum()))

    scene = pointmap.reconstruct(photos, model="classical", depth="network", progress=watch)

    assert early[0] == ("predict", 2)
    assert scene.registered.all()
    assert scene.report["network"] == "classical"
    assert all(photo["tied"] for photo in scene.report["poses"]["photos"].values())
    assert all((confidence > 1).mean() > 0.1 for confidence in scene.confidences)


def test_object_mode_takes_given_masks_and_closes_the_surface(photos):
    masks = []
    for photo in photos:
        mask = np.zeros(photo.shape[:2], np.uint8)
        mask[len(mask) // 4 : -len(mask) // 8, mask.shape[1] // 5 : -mask.shape[1] // 5] = 255
        masks.append(mask)

    scene = pointmap.reconstruct(photos, model="tiny", subject="object", masks=masks, depth="network", progress=False)

    assert scene.report["object"]["masks"]["way"] == "given"
    assert len(scene.report["object"]["orbit"]["order"]) == 3
    assert all((depth[: len(depth) // 5] == 0).all() for depth in scene.depths)  # not kept
    assert scene.mesh(watertight=True).is_watertight


def test_objects_without_a_network_need_another_descriptor(photos):
    with pytest.raises(InputError, match="Name another descriptor"):
        pointmap.reconstruct(photos, model="classical", subject="object", progress=False)


def test_an_unknown_subject_is_refused(photos):
    with pytest.raises(InputError, match="Unknown subject 'thing'"):
        pointmap.reconstruct(photos, subject="thing", progress=False)
