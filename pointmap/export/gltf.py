"""A small writer of binary glTF 2.0 (.glb): unlit points and meshes in right colours.

Written by hand because vertex colours are linear by specification, which general writers leave to the caller, and
because photos carry their own light: materials are unlit (KHR_materials_unlit).
"""

import json
import struct
from typing import Any

import numpy as np

import pointmap
from pointmap.export.textures import encode_texture
from pointmap.images.srgb import linear_from_srgb
from pointmap.shapes import Float, Int, UInt8

_FLOAT, _UINT32 = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_POINTS, _TRIANGLES = 0, 4


class GlbWriter:
    """Collects objects in one world frame and turns them into the bytes of a .glb file."""

    def __init__(self, gltf_from_world: Float[np.ndarray, "4 4"]) -> None:
        self._gltf_from_world = gltf_from_world
        self._buffer = bytearray()
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._meshes: list[dict[str, Any]] = []
        self._materials: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []

    def add_points(
        self, name: str, positions_world: Float[np.ndarray, "n 3"], colors: UInt8[np.ndarray, "n 3"]
    ) -> None:
        """Add points with sRGB colours. Nothing is added where there are no points: glTF has no empty lists."""
        if len(positions_world) == 0:
            return
        attributes = {"POSITION": self._positions(positions_world), "COLOR_0": self._colors(colors)}
        self._add(name, {"attributes": attributes, "mode": _POINTS, "material": self._material(name)})

    def add_mesh(
        self,
        name: str,
        vertices_world: Float[np.ndarray, "n 3"],
        faces: Int[np.ndarray, "m 3"],
        *,
        normals_world: Float[np.ndarray, "n 3"] | None = None,
        colors: UInt8[np.ndarray, "n 3"] | None = None,
        texture_coordinates: Float[np.ndarray, "n 2"] | None = None,
        texture: UInt8[np.ndarray, "h w 3"] | None = None,
    ) -> None:
        """Add a mesh, visible from both sides, with sRGB vertex colours or an sRGB texture.

        Args:
            normals_world: Unit vectors, for programs that put lights on it after all.
            texture_coordinates: From 0 to 1, the origin at the bottom left as in OBJ and trimesh.
        """
        if len(faces) == 0:
            return
        attributes = {"POSITION": self._positions(vertices_world)}
        if normals_world is not None:
            attributes["NORMAL"] = self._accessor(normals_world.astype("<f4"), "VEC3", _FLOAT, _VERTICES)
        if colors is not None:
            attributes["COLOR_0"] = self._colors(colors)
        if texture_coordinates is not None:
            # glTF has the origin at the top left.
            flipped = np.stack([texture_coordinates[:, 0], 1 - texture_coordinates[:, 1]], axis=-1).astype("<f4")
            attributes["TEXCOORD_0"] = self._accessor(flipped, "VEC2", _FLOAT, _VERTICES)
        indices = self._accessor(faces.astype("<u4").reshape(-1), "SCALAR", _UINT32, _INDICES)
        material = self._material(name, texture)
        self._add(name, {"attributes": attributes, "indices": indices, "mode": _TRIANGLES, "material": material})

    def to_bytes(self) -> bytes:
        """The file's content."""
        objects = [{"name": mesh["name"], "mesh": index} for index, mesh in enumerate(self._meshes)]
        root = {
            "name": "world",
            "matrix": self._gltf_from_world.T.reshape(-1).tolist(),  # column by column
            "children": list(range(1, len(objects) + 1)),
        }
        tree: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": f"pointmap {pointmap.__version__}"},
            "scene": 0,
            "scenes": [{"nodes": [0]}] if objects else [{}],
        }
        if objects:
            tree |= {
                "extensionsUsed": ["KHR_materials_unlit"],
                "nodes": [root, *objects],
                "meshes": self._meshes,
                "materials": self._materials,
                "accessors": self._accessors,
                "bufferViews": self._views,
                "buffers": [{"byteLength": len(self._buffer)}],
            }
        if self._images:
            tree |= {
                "images": self._images,
                "textures": [{"source": index, "sampler": 0} for index in range(len(self._images))],
                # Linear with mip levels; clamped to the edge.
                "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
            }
        header = json.dumps(tree, separators=(",", ":")).encode()
        chunks = _chunk(b"JSON", header, b" ") + (_chunk(b"BIN\0", bytes(self._buffer), b"\0") if objects else b"")
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def _add(self, name: str, primitive: dict[str, Any]) -> None:
        self._meshes.append({"name": name, "primitives": [primitive]})

    def _positions(self, positions: np.ndarray) -> int:
        positions = np.ascontiguousarray(positions, "<f4")
        bounds = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
        return self._accessor(positions, "VEC3", _FLOAT, _VERTICES, bounds)

    def _colors(self, colors: np.ndarray) -> int:
        # Floats: bytes of linear light would merge the thirteen darkest sRGB levels into two, and common readers take
        # 16-bit colours for 8-bit ones.
        return self._accessor(linear_from_srgb(colors), "VEC3", _FLOAT, _VERTICES)

    def _accessor(
        self, values: np.ndarray, kind: str, component: int, target: int, extra: dict[str, Any] | None = None
    ) -> int:
        view = self._view(values.tobytes(), {"target": target})
        entry = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        self._accessors.append(entry | (extra or {}))
        return len(self._accessors) - 1

    def _view(self, content: bytes, extra: dict[str, Any]) -> int:
        self._views.append({"buffer": 0, "byteOffset": len(self._buffer), "byteLength": len(content)} | extra)
        self._buffer += content + b"\0" * (-len(content) % 4)
        return len(self._views) - 1

    def _material(self, name: str, texture: np.ndarray | None = None) -> int:
        surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
        if texture is not None:
            encoded, ending = encode_texture(texture)
            kind = {".jpg": "image/jpeg", ".png": "image/png"}[ending]
            self._images.append({"bufferView": self._view(encoded, {}), "mimeType": kind})
            surface["baseColorTexture"] = {"index": len(self._images) - 1}
        self._materials.append(
            {
                "name": name,
                "pbrMetallicRoughness": surface,
                "doubleSided": True,
                "extensions": {"KHR_materials_unlit": {}},
            }
        )
        return len(self._materials) - 1


def _chunk(kind: bytes, content: bytes, padding: bytes) -> bytes:
    content += padding * (-len(content) % 4)
    return struct.pack("<I4s", len(content), kind) + content
