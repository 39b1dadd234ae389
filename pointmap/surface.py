"""The surface of a scene: depth maps fused or laid side by side, cleaned, simplified and textured."""

from typing import TYPE_CHECKING, Literal, Unpack

from pointmap.fusion.mesh import direct_mesh
from pointmap.progress import ProgressCallback
from pointmap.scene import Keep, Scene
from pointmap.turntable import object_mesh

if TYPE_CHECKING:
    import trimesh


def scene_mesh(
    scene: Scene,
    *,
    method: Literal["auto", "tsdf", "grid"] = "auto",
    texture: bool = False,
    watertight: bool = False,
    voxel_size: float | None = None,
    max_hole: float | None = None,
    target_faces: int = 200_000,
    texture_size: int = 4096,
    progress: ProgressCallback | None = None,
    **keep: Unpack[Keep],
) -> "trimesh.Trimesh":
    """See `Scene.mesh`."""
    if watertight:
        return object_mesh(scene)
    return direct_mesh(scene, texture=texture, target_faces=target_faces, **keep)
