"""The pictures of docs/surfaces.md: one scene as cloud, as mesh, and with its texture, seen from one place.

python -m eval.studies.surface_pictures NAME=PHOTOS [NAME=PHOTOS ...] -o docs
PHOTOS: what `pointmap reconstruct` takes, or what it wrote.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

import pointmap
from pointmap.export.splats import Splats, render_splats
from pointmap.export.viewpoints import Viewpoint, overview
from pointmap.scene import Scene

from .mesh_picture import picture

if TYPE_CHECKING:
    import trimesh

_SIZE = (560, 480)


def draw_scene(
    scene: Scene, path: Path, *, azimuth_deg: float, elevation_deg: float, target_faces: int, texture_size: int = 4096
) -> None:
    """Cloud, grey mesh and textured mesh side by side."""
    from PIL import Image

    mesh = scene.mesh(texture=True, target_faces=target_faces, texture_size=texture_size)
    cloud = scene.point_cloud()
    points = np.asarray(cloud.vertices)
    # Strays of the cloud may stick out; the mesh has none.
    eye = overview(
        scene, points, mesh.vertices[::20], _SIZE, azimuth_deg=azimuth_deg, elevation_deg=elevation_deg, fov_deg=50.0
    )
    front = eye.sees_front(points, scene.world_from_cam[cloud.metadata["photo"], :3, 3])
    splats = Splats(
        torch.from_numpy(points[front]).float(),
        torch.from_numpy(np.asarray(cloud.colors)[front, :3].copy()),
        torch.from_numpy(1.5 * cloud.metadata["spacing"][front]).float(),
    )
    camera = torch.from_numpy(eye.world_from_eye).float(), torch.from_numpy(eye.intrinsics).float()
    mesh = _facing(mesh, eye)
    panels = [
        render_splats([splats], *camera, _SIZE),
        *(picture(mesh, eye.intrinsics, eye.world_from_eye, _SIZE, grey=grey) for grey in (True, False)),
    ]
    Image.fromarray(np.concatenate(panels, axis=1)).save(path, quality=90)


def _facing(mesh: "trimesh.Trimesh", eye: Viewpoint) -> "trimesh.Trimesh":
    """Without what is seen from behind, so that walls do not hide a room's inside."""
    mesh = mesh.copy()
    towards = eye.world_from_eye[:3, 3] - mesh.triangles_center
    mesh.update_faces((mesh.face_normals * towards).sum(axis=1) > 0)
    return mesh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=PHOTOS")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"))
    parser.add_argument("--azimuth", type=float, default=15.0, help="degrees to the left of the cameras")
    parser.add_argument("--elevation", type=float, default=12.0, help="degrees above them")
    parser.add_argument("--target-faces", type=int, default=100_000)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for entry in arguments.sets:
        name, photos = entry.split("=", 1)
        finished = photos if photos.endswith(".npz") else f"{photos}/scene.npz"
        scene = Scene.load(finished) if Path(finished).is_file() else pointmap.reconstruct(photos)
        draw_scene(
            scene,
            arguments.output / f"surfaces_{name}.jpg",
            azimuth_deg=arguments.azimuth,
            elevation_deg=arguments.elevation,
            target_faces=arguments.target_faces,
        )


if __name__ == "__main__":
    main()
