"""mesh.obj with its .mtl and texture, for modelling programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from pointmap.atomic import write_together
from pointmap.export.axes import gltf_from_world
from pointmap.export.names import output_stems
from pointmap.export.parts import MeshParts, MeshSettings
from pointmap.export.textures import encode_texture
from pointmap.scene import Scene

if TYPE_CHECKING:
    import trimesh


def write_obj(
    scene: Scene,
    path: str | Path,
    *,
    mesh: "trimesh.Trimesh | None" = None,
    texture: bool = True,
    **settings: Unpack[MeshSettings],
) -> Path:
    """Write the mesh with its normals, y up as in .glb; NAME.mtl and its image lie beside it.

    Args:
        mesh: One that is there already (of `Scene.mesh`), which is written as it is.
        texture: Otherwise every vertex has a colour, behind its position as most programs read it.
        settings: Of `Scene.mesh`.
    """
    path = Path(path)
    if mesh is None:
        mesh = scene.mesh(texture=texture, **settings)
    parts = MeshParts.of(mesh, gltf_from_world(scene))
    if len(parts.faces) == 0:
        write_together({path: b"# no surface\n"})
        return path
    if parts.texture is None:
        write_together({path: _obj_text(parts, []).encode()})
        return path
    (stem,) = output_stems([path.name])
    stem = "_".join(stem.split())  # an .obj separates by spaces
    image, ending = encode_texture(parts.texture)
    material = path.with_name(f"{stem}.mtl")
    lines = [f"newmtl {stem}", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1", f"map_Kd {stem}{ending}\n"]
    text = _obj_text(parts, [f"mtllib {material.name}", f"usemtl {stem}"])
    write_together({path: text.encode(), material: "\n".join(lines).encode(), path.with_name(f"{stem}{ending}"): image})
    return path


def _obj_text(parts: MeshParts, head: list[str]) -> str:
    vertices, corner, repeats = parts.vertices, "%d//%d", 2
    if parts.colors is not None:
        vertices = np.concatenate([vertices, parts.colors / 255], axis=1)
    blocks = ["".join(f"{line}\n" for line in head), _rows("v", vertices, "%.9g")]
    if parts.texture_coordinates is not None:
        blocks.append(_rows("vt", parts.texture_coordinates, "%.7g"))
        corner, repeats = "%d/%d/%d", 3
    blocks.append(_rows("vn", parts.normals, "%.4f"))
    blocks.append(_rows("f", parts.faces + 1, corner, repeats))
    return "".join(blocks)


def _rows(keyword: str, values: np.ndarray, entry: str, repeats: int = 1) -> str:
    """A line for each row: the keyword, then its values, each written so many times."""
    line = " ".join([keyword, *[entry] * values.shape[1]]) + "\n"
    return (line * len(values)) % tuple(np.repeat(values.reshape(-1), repeats).tolist())
