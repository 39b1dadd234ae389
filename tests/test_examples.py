"""The examples run, and read what models return as they should."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from pointmap.scene import View

ROOT = Path(__file__).parents[1]
PHOTOS = sorted((ROOT / "demo" / "photos" / "room" / "images").iterdir())[:3]


@pytest.fixture(scope="module")
def merge_chunks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("merge_chunks", ROOT / "examples" / "merge_chunks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["merge_chunks"] = module
    spec.loader.exec_module(module)
    return module


def test_photos_are_merged_into_a_file_and_predictions_are_kept(merge_chunks, tmp_path):
    arguments = [*map(str, PHOTOS), "-o", str(tmp_path / "scene.glb"), "--keep", str(tmp_path / "kept")]

    scene = merge_chunks.main(arguments)

    assert scene.registered.all()
    assert (tmp_path / "scene.glb").stat().st_size > 10_000
    assert len(list((tmp_path / "kept").glob("*.safetensors"))) == 6  # all ordered pairs of three


# Stand-ins for the public packages: a wall at depth 2 seen by two cameras, one of them one unit to the right and turned
# by a quarter about its view axis.

SHAPE = (4, 6)
WORLD_FROM_CAM = np.array(
    [np.eye(4), [[0, -1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]],
    dtype=np.float32,
)
K = np.array([[5, 0, 2.5], [0, 5, 1.5], [0, 0, 1]], np.float32)
DEPTHS = np.full((2, *SHAPE), 2, np.float32)
RAYS = np.stack([*np.meshgrid((np.arange(6) - 2.5) / 5, (np.arange(4) - 1.5) / 5), np.ones(SHAPE)], -1).astype(
    np.float32
)


class Loaded:
    """What `from_pretrained` gives."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, images):
        assert images.min() >= 0
        assert images.max() <= 1
        assert images.shape[-3:] == (3, *SHAPE)
        return self.answer

    def inference(self, images, **settings):
        assert [image.dtype for image in images] == [np.uint8, np.uint8]
        return self.answer

    def to(self, device):
        return self

    def eval(self):
        return self


def install(monkeypatch, name: str, **content) -> None:
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    sys.modules[name].__dict__.update(content)


def vggt(monkeypatch):
    answer = {
        "pose_enc": "encoded",
        "depth": torch.tensor(DEPTHS)[None, ..., None],
        "depth_conf": torch.full((1, 2, *SHAPE), 3.0),
    }
    cameras = torch.tensor(np.linalg.inv(WORLD_FROM_CAM)[:, :3])[None], torch.tensor(np.stack([K, K]))[None]
    network = SimpleNamespace(from_pretrained=lambda name: Loaded(answer))
    install(monkeypatch, "vggt.models.vggt", VGGT=network)
    monkeypatch.setitem(sys.modules, "vggt.utils", ModuleType("vggt.utils"))
    decode = ModuleType("vggt.utils.pose_enc")
    decode.pose_encoding_to_extri_intri = lambda encoded, size: cameras
    monkeypatch.setitem(sys.modules, "vggt.utils.pose_enc", decode)


def pi3(monkeypatch):
    answer = {
        "local_points": torch.tensor(np.stack([2 * RAYS, 2 * RAYS]))[None],
        "camera_poses": torch.tensor(WORLD_FROM_CAM)[None],
        "conf": torch.full((1, 2, *SHAPE, 1), float(np.log(2))),
    }
    install(monkeypatch, "pi3.models.pi3", Pi3=SimpleNamespace(from_pretrained=lambda name: Loaded(answer)))


def da3(monkeypatch):
    answer = SimpleNamespace(
        depth=DEPTHS,
        conf=np.full((2, *SHAPE), 3, np.float32),
        extrinsics=np.linalg.inv(WORLD_FROM_CAM)[:, :3],
        intrinsics=np.stack([K, K]),
    )
    network = SimpleNamespace(from_pretrained=lambda name: Loaded(answer))
    install(monkeypatch, "depth_anything_3.api", DepthAnything3=network)


@pytest.mark.parametrize("pretend", [vggt, pi3, da3])
def test_answers_of_public_models_are_read_in_their_conventions(merge_chunks, monkeypatch, pretend):
    pretend(monkeypatch)
    views = [View(name, np.full((*SHAPE, 3), 200, np.uint8), SHAPE[::-1], np.eye(3)) for name in "ab"]

    group = merge_chunks.MODELS[pretend.__name__].load()(views, (3, 8))

    assert group.views == (3, 8)
    np.testing.assert_allclose(group.points[0], 2 * RAYS, atol=1e-6)
    x, y, z = np.moveaxis(2 * RAYS, -1, 0)
    np.testing.assert_allclose(group.points[1], np.stack([1 - y, x, z], -1), atol=1e-6)
    np.testing.assert_allclose(group.confidences, 3, rtol=1e-6)
