"""mesh.usdz: the mesh for iPhones and iPads, which place it in the room through the camera."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.export.axes import gltf_from_world
from pointmap.export.parts import MeshParts, MeshSettings
from pointmap.export.textures import encode_texture
from pointmap.extras import require
from pointmap.scene import Scene

if TYPE_CHECKING:
    import trimesh
    from pxr import Usd


def write_usdz(
    scene: Scene,
    path: str | Path,
    *,
    mesh: "trimesh.Trimesh | None" = None,
    texture: bool = True,
    **settings: Unpack[MeshSettings],
) -> Path:
    """Write the mesh as one .usdz package, y up as in .glb, in metres where the scene is metric.

    Needs usd-core: pip install 'pointmap[usd]'.

    Args:
        mesh: One that is there already (of `Scene.mesh`), which is written as it is.
        texture: Otherwise every vertex has a colour, which telephones do not show.
        settings: Of `Scene.mesh`.
    """
    require("pxr", extra="usd", purpose="USDZ")
    from pxr import Tf

    if mesh is None:
        mesh = scene.mesh(texture=texture, **settings)
    parts = MeshParts.of(mesh, gltf_from_world(scene))
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory(dir=temporary.parent, prefix=".") as folder:
        try:
            whole = _write_package(parts, Path(folder), temporary)
        except Tf.ErrorException as error:  # its way to say, in many words, that the disk is full
            raise OSError(str(error).strip().splitlines()[0].rpartition(" : ")[2]) from error
        if not whole:
            raise OSError("USD could not put the package together")
    return Path(path)


def _write_package(parts: MeshParts, folder: Path, path: Path) -> bool:
    """Write the package, by way of its parts in a folder for them; returns whether it is complete."""
    from pxr import Usd, UsdGeom, UsdUtils

    stage = Usd.Stage.CreateNew(str(folder / "scene.usdc"))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/scene").GetPrim())
    if len(parts.faces):
        texture_name = None
        if parts.texture is not None:
            image, ending = encode_texture(parts.texture)
            texture_name = f"texture{ending}"
            (folder / texture_name).write_bytes(image)
        _add_mesh(stage, parts, texture_name)
    stage.Save()
    del stage  # closes the file
    return UsdUtils.CreateNewUsdzPackage(str(folder / "scene.usdc"), str(path))


def _add_mesh(stage: "Usd.Stage", parts: MeshParts, texture_name: str | None) -> None:
    from pxr import Sdf, UsdGeom, UsdShade, Vt

    mesh = UsdGeom.Mesh.Define(stage, "/scene/mesh")
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(parts.vertices.astype(np.float32)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(parts.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(parts.faces.astype(np.int32).reshape(-1)))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(parts.normals.astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    extent = np.stack([parts.vertices.min(axis=0), parts.vertices.max(axis=0)]).astype(np.float32)
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(extent))

    material = UsdShade.Material.Define(stage, "/scene/material")
    surface = UsdShade.Shader.Define(stage, "/scene/material/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    color = surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    primvars = UsdGeom.PrimvarsAPI(mesh)
    if texture_name is None:
        from pointmap.images.srgb import linear_from_srgb

        assert parts.colors is not None
        shown = primvars.CreatePrimvar("displayColor", Sdf.ValueTypeNames.Color3fArray, UsdGeom.Tokens.vertex)
        shown.Set(Vt.Vec3fArray.FromNumpy(linear_from_srgb(parts.colors)))
        reader = _reader(stage, "color", "UsdPrimvarReader_float3", "displayColor")
        color.ConnectToSource(reader.CreateOutput("result", Sdf.ValueTypeNames.Float3))
    else:
        uv = np.asarray(parts.texture_coordinates, np.float32)
        coordinates = primvars.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
        coordinates.Set(Vt.Vec2fArray.FromNumpy(uv))
        reader = _reader(stage, "coordinates", "UsdPrimvarReader_float2", "st")
        image = UsdShade.Shader.Define(stage, "/scene/material/texture")
        image.CreateIdAttr("UsdUVTexture")
        image.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(f"./{texture_name}")
        image.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
        for wrap in ("wrapS", "wrapT"):
            image.CreateInput(wrap, Sdf.ValueTypeNames.Token).Set("clamp")
        image.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
            reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
        )
        color.ConnectToSource(image.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _reader(stage: "Usd.Stage", name: str, kind: str, primvar: str):  # type: ignore[no-untyped-def]
    """The part of a material that fetches a value of the mesh."""
    from pxr import Sdf, UsdShade

    reader = UsdShade.Shader.Define(stage, f"/scene/material/{name}")
    reader.CreateIdAttr(kind)
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(primvar)
    return reader
