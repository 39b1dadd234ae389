"""A strict reader of .glb by the letter of the glTF 2.0 specification, independent of the writer."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True)
class Glb:
    tree: dict[str, Any]
    binary: bytes

    def accessor(self, index: int) -> np.ndarray:
        """The values, after checking everything that the specification demands of an accessor."""
        accessor = self.tree["accessors"][index]
        view = self.tree["bufferViews"][accessor["bufferView"]]
        dtype, columns = np.dtype(_DTYPES[accessor["componentType"]]), _COLUMNS[accessor["type"]]
        assert accessor["count"] >= 1
        assert view["byteOffset"] % dtype.itemsize == 0
        assert view.get("target") != 34962 or dtype.itemsize * columns % 4 == 0  # vertices start at multiples of four
        assert accessor["count"] * columns * dtype.itemsize == view["byteLength"]
        values = np.frombuffer(self.view(accessor["bufferView"]), dtype).reshape(-1, columns)
        for bound, reduce in (("min", np.min), ("max", np.max)):
            if bound in accessor:
                np.testing.assert_array_equal(np.array(accessor[bound], np.float32), reduce(values, axis=0))
        return values

    def view(self, index: int) -> bytes:
        view = self.tree["bufferViews"][index]
        assert view["buffer"] == 0
        assert view["byteOffset"] + view["byteLength"] <= self.tree["buffers"][0]["byteLength"]
        return self.binary[view["byteOffset"] :][: view["byteLength"]]

    def mesh(self, name: str) -> dict[str, Any]:
        """Positions in glTF's world, and what else the one primitive of this name has."""
        (mesh,) = [mesh for mesh in self.tree["meshes"] if mesh["name"] == name]
        (primitive,) = mesh["primitives"]
        matrix = np.array(self.tree["nodes"][0]["matrix"]).reshape(4, 4).T
        assert "min" in self.tree["accessors"][primitive["attributes"]["POSITION"]]
        found: dict[str, Any] = {key: self.accessor(index) for key, index in primitive["attributes"].items()}
        assert len({len(values) for values in found.values()}) == 1
        found["POSITION"] = found["POSITION"] @ matrix[:3, :3].T + matrix[:3, 3]
        if "indices" in primitive:
            found["faces"] = self.accessor(primitive["indices"]).reshape(-1, 3)
            assert found["faces"].max() < len(found["POSITION"])
        found["mode"] = primitive["mode"]
        found["material"] = self.tree["materials"][primitive["material"]]
        return found


def read_glb(path: Path) -> Glb:
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    chunks, offset = [], 12
    while offset < length:
        size, kind = struct.unpack_from("<I4s", content, offset)
        assert size % 4 == 0
        chunks.append((kind, content[offset + 8 :][:size]))
        offset += 8 + size
    assert [kind for kind, _ in chunks] == [b"JSON", b"BIN\0"][: len(chunks)]
    tree = json.loads(chunks[0][1])
    binary = chunks[1][1] if len(chunks) == 2 else b""
    if binary:
        assert 0 <= len(binary) - tree["buffers"][0]["byteLength"] < 4
    return Glb(tree, binary)
