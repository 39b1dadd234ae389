"""One texture for a mesh, from the photos in their own resolution."""

from pointmap.fusion.texture.build import texture_mesh
from pointmap.fusion.texture.sights import TexturePhoto

__all__ = ["TexturePhoto", "texture_mesh"]
