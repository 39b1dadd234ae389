"""Make the example photos: sets of pictures of our own procedural scenes, with their exact cameras and depths.

    python demo/make_photos.py [-o demo/photos]

Each set is a folder with `images/`, `cameras.json` (true cameras, in the format of the outputs) and `depth/` (true
z-depth, 16-bit PNG, in units of `depth_unit` metres, 0 = sky).
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pointmap.export.cameras import CONVENTION, pinhole_entry
from pointmap.geometry.transforms import invert_rigid
from pointmap.train.cameras import look_at, scaled_intrinsics
from pointmap.train.random import Random
from pointmap.train.renderer import inside_object, render
from pointmap.train.scenes import sample_scenes
from pointmap.train.textures import make_textures

TEXTURES = 128
DEPTH_UNIT = 0.001


@dataclass(frozen=True)
class PhotoSet:
    """One walk around one scene."""

    name: str
    seed: int
    size: tuple[int, int] = (640, 480)
    """Width and height of the photos."""
    count: int = 8
    arc_deg: float = 70.0
    """How far the camera walks around the scene."""
    elevation_deg: float = 20.0
    distance: float = 2.2
    """From the middle of the scene, in radii of what is there."""
    focal: float = 0.9
    """In long sides."""


SETS = (
    PhotoSet("room", seed=33, arc_deg=50, distance=0.9),
    PhotoSet("table", seed=31, arc_deg=70, elevation_deg=30),
    PhotoSet("street", seed=26, size=(480, 640), count=6, arc_deg=45, elevation_deg=12),
)


def photograph(photos: PhotoSet, out: Path, *, oversampling: int = 3) -> None:
    """Render one set into `out/name`."""
    random = Random(photos.seed)
    texels = make_textures(TEXTURES, 0)
    scene = sample_scenes(1, random, TEXTURES)
    poses = torch.stack([_pose(photos, scene.interest[0], step) for step in _steps(photos.count)])
    if inside_object(scene[[0] * photos.count], poses[:, :3, 3]).any():
        raise SystemExit(f"Set {photos.name!r}: a camera is inside an object. Choose another seed.")
    width, height = photos.size
    folder = out / photos.name
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "depth").mkdir(exist_ok=True)
    fine = (height * oversampling, width * oversampling)
    K_fine = scaled_intrinsics(torch.tensor(photos.focal), fine)
    K = scaled_intrinsics(torch.tensor(photos.focal), (height, width)).numpy()
    images = []
    for index, world_from_cam in enumerate(poses):
        name = f"{index + 1:02d}"
        rendering = render(scene, world_from_cam[None, None], K_fine[None, None], fine, texels, TEXTURES)
        picture = rendering.images[0, 0].reshape(height, oversampling, width, oversampling, 3).mean(dim=(1, 3))
        Image.fromarray((picture * 255).round().to(torch.uint8).numpy()).save(
            folder / "images" / f"{name}.jpg", quality=92
        )
        middle = oversampling // 2  # the middle ray of a pixel goes through its centre
        depth = rendering.depths[0, 0, middle::oversampling, middle::oversampling]
        millimetres = (depth / DEPTH_UNIT).round().clamp(0, 65535).numpy().astype(np.uint16)
        Image.fromarray(millimetres).save(folder / "depth" / f"{name}.png")
        images.append(_camera(f"images/{name}.jpg", photos.size, K, world_from_cam))
    cameras = {"convention": CONVENTION, "depth_unit": DEPTH_UNIT, "images": images}
    (folder / "cameras.json").write_text(json.dumps(cameras, indent=1) + "\n")


def _steps(count: int) -> list[float]:
    return [index / (count - 1) - 0.5 for index in range(count)]


def _pose(photos: PhotoSet, interest: Tensor, step: float) -> Tensor:
    centre, radius = interest[:3], interest[3]
    azimuth = math.radians(photos.arc_deg) * step + 0.4
    # A hand-held walk: the height and the distance sway.
    elevation = math.radians(photos.elevation_deg) * (1 + 0.3 * math.sin(7 * step))
    distance = photos.distance * (1 + 0.1 * math.cos(9 * step)) * radius
    offset = torch.tensor(
        [math.sin(azimuth) * math.cos(elevation), -math.sin(elevation), -math.cos(azimuth) * math.cos(elevation)]
    )
    target = centre + 0.1 * radius * torch.tensor([math.sin(11 * step), 0.5 * math.cos(5 * step), 0.0])
    return look_at(centre + distance * offset, target, torch.tensor(0.04 * math.sin(13 * step)))


def _camera(name: str, size: tuple[int, int], K: np.ndarray, world_from_cam: Tensor) -> dict[str, object]:
    return {
        "file": name,
        **pinhole_entry(size, K),
        "distortion": None,
        "cam_from_world": invert_rigid(world_from_cam).tolist(),
    }


def main() -> None:
    """Make all sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "photos")
    out = parser.parse_args().output
    for photos in SETS:
        photograph(photos, out)
        print(f"{photos.count} photos of {photos.name} in {out / photos.name}")


if __name__ == "__main__":
    main()
