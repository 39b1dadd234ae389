"""scene.glb and mesh.glb: for viewers, browsers and engines."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from pointmap.atomic import write_bytes
from pointmap.export.axes import gltf_from_world
from pointmap.export.frusta import frusta_mesh, make_frusta, photo_cards
from pointmap.export.gltf import GlbWriter
from pointmap.export.parts import MeshParts
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene

if TYPE_CHECKING:
    import trimesh


def write_glb(
    scene: Scene,
    path: str | Path,
    *,
    cloud: bool = True,
    mesh: "bool | trimesh.Trimesh" = False,
    cameras: bool = True,
    texture: bool = True,
    watertight: bool = False,
    max_points: int = 500_000,
    target_faces: int = 200_000,
    texture_size: int = 4096,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> Path:
    """Write points, surface and cameras to one .glb, y up, as the first registered photo sees the scene.

    With the defaults a cloud with its cameras stays under 15 MB, and so does a mesh: a phone opens them.

    Args:
        cloud, mesh, cameras: What to write. Cameras are pyramids with their photo on the base. A mesh that is there
            already (of `Scene.mesh`) is written as it is.
        texture: The mesh gets a texture; otherwise one colour per vertex.
        watertight: The mesh is the closed one of an object (`Scene.mesh`).
        max_points: More points are thinned out evenly; each takes 24 bytes.
        target_faces, texture_size: Of the mesh.
        seed: Of the thinning.
        progress: Called with (stage, done, total) while the mesh is made.
        keep: See `Scene.masks`.
    """
    writer = GlbWriter(gltf_from_world(scene))
    if cloud:
        points = scene.point_cloud(max_points=max_points, seed=seed, **keep)
        writer.add_points("cloud", points.vertices, points.colors[:, :3])
    if mesh is True:
        mesh = scene.mesh(
            texture=texture,
            watertight=watertight,
            target_faces=target_faces,
            texture_size=texture_size,
            progress=progress,
            **keep,
        )
    if mesh is not False:
        parts = MeshParts.of(mesh)
        writer.add_mesh(
            "mesh",
            parts.vertices,
            parts.faces,
            normals_world=parts.normals,
            colors=parts.colors,
            texture_coordinates=parts.texture_coordinates,
            texture=parts.texture,
        )
    if cameras:
        frusta = make_frusta(scene)
        vertices, faces, colors = frusta_mesh(frusta)
        writer.add_mesh("cameras", vertices, faces, colors=colors)
        vertices, faces, coordinates, thumbnails = photo_cards(frusta, scene.colors)
        writer.add_mesh("photos", vertices, faces, texture_coordinates=coordinates, texture=thumbnails)
    return write_bytes(path, writer.to_bytes())
