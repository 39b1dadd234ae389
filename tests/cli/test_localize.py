import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stereo.stereo_scenes import take_photos

from pointmap import cli
from pointmap.scene import Scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A finished scene of three photos, and a fourth photo beside it."""
    photos = take_photos(shapes=[(144, 192)] * 4)
    folder = tmp_path_factory.mktemp("scene")
    Image.fromarray(photos.images[3].numpy()).save(folder / "new.png")
    K = photos.intrinsics[:3].double().numpy()
    Scene(
        names=("a", "b", "c"),
        paths=(None,) * 3,
        image_sizes=np.array([(192, 144)] * 3),
        intrinsics=K,
        world_from_cam=photos.world_from_cam[:3].double().numpy(),
        depths=[depth.numpy() for depth in photos.depths[:3]],
        confidences=[np.ones((144, 192), np.float32)] * 3,
        colors=[image.numpy() for image in photos.images[:3]],
        working_intrinsics=K,
        registered=np.ones(3, bool),
    ).save(folder / "scene.npz")
    return folder


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["pointmap", "localize", *map(str, arguments)])
    cli.main()


def test_poses_are_written_like_the_scenes_cameras(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "poses.json"

    run(monkeypatch, folder, folder / "new.png", tmp_path / "bad.png", "-o", out)

    shown = capsys.readouterr().out
    assert "matches agree" in shown
    assert "bad.png: not registered: it is not an image" in shown
    content = json.loads(out.read_text())
    (entry,) = content["images"]
    truth = take_photos(shapes=[(144, 192)] * 4).world_from_cam[3]
    assert (entry["file"], entry["width"], entry["height"]) == ("new.png", 192, 144)
    np.testing.assert_allclose(np.linalg.inv(entry["cam_from_world"]), truth, atol=0.01)


def test_mistakes_end_with_code_2_and_a_message(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tmp_path, "new.png")

    assert stop.value.code == 2
    assert "scene.npz" in capsys.readouterr().err
