"""scene.glb and mesh.glb: for viewers, browsers and engines."""

from pathlib import Path
from typing import Unpack

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.export.axes import gltf_from_world
from pointmap.export.frusta import frusta_mesh, make_frusta, photo_cards
from pointmap.export.gltf import GlbWriter
from pointmap.scene import Keep, Scene


def write_glb(
    scene: Scene,
    path: str | Path,
    *,
    cloud: bool = True,
    mesh: bool = False,
    cameras: bool = True,
    texture: bool = True,
    watertight: bool = False,
    max_points: int = 1_000_000,
    target_faces: int = 200_000,
    texture_size: int = 4096,
    seed: int = 0,
    **keep: Unpack[Keep],
) -> Path:
    """Write points, surface and cameras to one .glb, y up, as the first registered photo sees the scene.

    Args:
        cloud, mesh, cameras: What to write. Cameras are pyramids with their photo on the base.
        texture: The mesh gets a texture; otherwise one colour per vertex.
        watertight: The mesh is the closed one of an object (`Scene.mesh`).
        max_points: More points are thinned out at random.
        target_faces, texture_size: Of the mesh.
        seed: Of the thinning.
        keep: See `Scene.masks`.
    """
    from trimesh.visual import TextureVisuals

    writer = GlbWriter(gltf_from_world(scene))
    if cloud:
        points = scene.point_cloud(max_points=max_points, seed=seed, **keep)
        writer.add_points("cloud", points.vertices, points.colors[:, :3])
    if mesh:
        surface = scene.mesh(
            texture=texture, watertight=watertight, target_faces=target_faces, texture_size=texture_size, **keep
        )
        look = surface.visual
        if isinstance(look, TextureVisuals):
            image = np.asarray(look.material.baseColorTexture)
            writer.add_mesh("mesh", surface.vertices, surface.faces, texture_coordinates=look.uv, texture=image)
        else:
            assert look is not None
            writer.add_mesh("mesh", surface.vertices, surface.faces, colors=look.vertex_colors[:, :3])
    if cameras:
        frusta = make_frusta(scene)
        vertices, faces, colors = frusta_mesh(frusta)
        writer.add_mesh("cameras", vertices, faces, colors=colors)
        vertices, faces, coordinates, thumbnails = photo_cards(frusta, scene.colors)
        writer.add_mesh("photos", vertices, faces, texture_coordinates=coordinates, texture=thumbnails)
    return write_bytes(path, writer.to_bytes())
