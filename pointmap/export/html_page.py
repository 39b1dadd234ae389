"""The page of our viewer: with a description of the scene and its bytes inside, or one that fetches them."""

import base64
import hashlib
import io
import re
from importlib.resources import files
from typing import Any

import numpy as np

from pointmap.export.plain_json import to_json
from pointmap.shapes import Float, UInt8

_SCRIPTS = (
    "vectors.js",
    "view.js",
    "data.js",
    "shaders.js",
    "renderer.js",
    "controls.js",
    "measure.js",
    "photos.js",
    "outside.js",
    "panel.js",
    "stage.js",
    "live.js",
    "page.js",
)
"""In this order they are one script."""

_TYPES = {"uint8": "u1", "int16": "i2", "uint16": "u2", "uint32": "u4"}


class Packer:
    """A row of bytes, and where in it things are: entries of `data.js`, each at a multiple of four bytes."""

    def __init__(self) -> None:
        self.content = bytearray()

    def array(self, values: np.ndarray) -> dict[str, Any]:
        """An array of unsigned bytes, or of integers of 16 or 32 bits; its shape is not kept."""
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        return {"type": _TYPES[values.dtype.name], "offset": self._add(little.tobytes()), "count": values.size}

    def jpeg(self, image: UInt8[np.ndarray, "h w 3"], *, quality: int = 85) -> dict[str, Any]:
        """An sRGB image, compressed; colours keep their full resolution."""
        from PIL import Image

        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "JPEG", quality=quality, subsampling=0, optimize=True)
        return {"offset": self._add(encoded.getvalue()), "count": len(encoded.getvalue())}

    def positions(self, positions: Float[np.ndarray, "n 3"], unit: float) -> dict[str, Any]:
        """16 bits a number, as asinh(x / unit): steps are the same near the origin and grow with the distance, so that
        a few points far off do not make the rest coarse.
        """
        coded = np.arcsinh(positions / unit)
        reach = max(float(np.abs(coded).max(initial=0)), 1e-9)
        return {"packed": self.array(np.round(coded * (32767 / reach)).astype(np.int16)), "unit": unit, "reach": reach}

    def widths(self, widths: Float[np.ndarray, "n"]) -> dict[str, Any]:
        """8 bits a number, as its logarithm."""
        logs = np.log(np.maximum(widths, 1e-30))
        low, high = (float(logs.min()), float(logs.max())) if len(logs) else (0.0, 0.0)
        coded = np.round((logs - low) * (255 / max(high - low, 1e-9)))
        return {"packed": self.array(coded.astype(np.uint8)), "low": low, "high": high}

    def _add(self, content: bytes) -> int:
        offset = len(self.content)
        self.content += content + b"\0" * (-len(content) % 4)
        return offset


def fill_page(about: dict[str, Any], content: bytes | bytearray) -> bytes:
    """The page as UTF-8.

    The browser is told to run only our script and to load nothing (Content-Security-Policy), whatever the
    description holds.

    Args:
        about: What `page.js` reads.
        content: The bytes that its entries point into.
    """
    return _page(_described(about), content)


def live_page(view_address: str = "view") -> bytes:
    """The page without a scene, as UTF-8: it asks for one, shows it, and asks for the next, as long as it is open.

    Args:
        view_address: Where it asks, relative to its own address and of the same host: `view?after=N` answers 200 with
            what `pack_scene` gave and its number in the header X-View, if that is greater than N; 204 if nothing
            greater came for a while; 404 when the scene is gone. A header X-Scale, "factor unit", states the scale that
            was set (unit: percent-encoded), in units per unit of the scene; a new one is posted to `scale` beside it,
            as JSON {"factor", "unit"}.
    """
    return _page(_described({"follow": view_address}), b"", connect=b" connect-src 'self';")


def join_block(about: dict[str, Any], content: bytes | bytearray) -> bytes:
    """A description and its bytes in one: see `pointmap.export.html.pack_scene`."""
    described = _described(about)
    described += b" " * (-len(described) % 4)
    return len(described).to_bytes(4, "little") + described + content


def _described(about: dict[str, Any]) -> bytes:
    return to_json(about, indent=None).encode("utf-8", "backslashreplace")


def _page(described: bytes, content: bytes | bytearray, *, connect: bytes = b"") -> bytes:
    folder = files("pointmap.export") / "viewer"
    style = (folder / "page.css").read_text("utf-8")
    script = "(() => {\n" + "".join((folder / name).read_text("utf-8") for name in _SCRIPTS) + "})();\n"
    parts = {
        b"connect": connect,
        b"style": style.encode(),
        b"style_hash": _source_hash(style),
        b"script": script.encode(),
        b"script_hash": _source_hash(script),
        b"about": described.replace(b"<", b"\\u003c"),  # "<" in a name must not end the element; JSON may write it so.
        b"data": base64.b64encode(content),
    }
    page = (folder / "page.html").read_bytes()
    # All at once: what is filled in is not searched again.
    return re.sub(rb"@@(\w+)@@", lambda match: parts[match[1]], page)


def _source_hash(source: str) -> bytes:
    return b"'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()) + b"'"
