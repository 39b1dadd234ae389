"""mesh.obj with its .mtl and texture, for modelling programs."""

from pathlib import Path
from typing import Unpack

from pointmap.atomic import write_bytes
from pointmap.export.axes import gltf_from_world
from pointmap.export.names import output_stems
from pointmap.scene import Keep, Scene


def write_obj(
    scene: Scene, path: str | Path, *, target_faces: int = 200_000, texture_size: int = 4096, **keep: Unpack[Keep]
) -> Path:
    """Write the textured mesh, y up as in .glb; NAME.mtl and NAME.png lie beside it."""
    from trimesh.exchange.obj import export_obj
    from trimesh.visual import TextureVisuals

    path = Path(path)
    mesh = scene.mesh(texture=True, target_faces=target_faces, texture_size=texture_size, **keep)
    mesh.apply_transform(gltf_from_world(scene))
    (stem,) = output_stems([path.name])
    stem = stem.replace(" ", "_")  # an .obj separates by spaces
    assert isinstance(mesh.visual, TextureVisuals)  # texture=True
    mesh.visual.material = mesh.visual.material.to_simple()
    mesh.visual.material.name = stem
    text, beside = export_obj(
        mesh, include_normals=False, include_texture=True, return_texture=True, mtl_name=f"{stem}.mtl"
    )
    if len(mesh.faces) == 0:  # trimesh writes elements without values then
        text = "# no surface\n"
    for name, content in beside.items():
        write_bytes(path.with_name(name), content)
    return write_bytes(path, text.encode("utf-8"))
