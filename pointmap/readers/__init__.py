"""What other tools and data sets hold, as scenes. One file per layout; all conventions end at `readers.posed`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pointmap.errors import InputError
from pointmap.progress import ProgressCallback
from pointmap.readers import colmap, frames, listed, scannet, transforms, tum
from pointmap.readers.posed import WORKING_SIZE
from pointmap.scene import Scene


@dataclass(frozen=True)
class Layout:
    """A way in which photos, cameras and depth maps lie in a folder."""

    about: str
    """What it is, and by what it is known."""
    find: Callable[[Path], Path | None]
    """What to read, if this folder or file is of the layout."""
    read: Callable[..., Scene]
    """`read(found, image_size=..., progress=...)`."""


LAYOUTS = (
    Layout("transforms.json of nerfstudio, instant-ngp or Blender", transforms.find, transforms.read),
    Layout(
        "a COLMAP model: cameras, images and points3D (.bin or .txt), there or in sparse/0, with images/ beside it, "
        "and with depth maps in stereo/depth_maps/",
        colmap.find,
        colmap.read,
    ),
    Layout("cameras.json with photos, and depth maps that it names or in depth/", listed.find, listed.read),
    Layout("7-Scenes or 3DMatch: *.color.png, *.depth.png and *.pose.txt", frames.find, frames.read),
    Layout("a ScanNet export: color/, depth/, pose/ and intrinsic/", scannet.find, scannet.read),
    Layout("TUM RGB-D: rgb.txt, depth.txt and groundtruth.txt", tum.find, tum.read),
)
"""In the order in which they are looked for."""


def read_posed(path: str | Path, *, image_size: int = WORKING_SIZE, progress: ProgressCallback | None = None) -> Scene:
    """Read photos with known cameras and, where there are any, depth maps. The world frame is kept.

    Args:
        path: A folder, or the file in it by which its layout is known.
        image_size: Long side in pixels of the scene's images and depth maps; smaller ones are not enlarged.
        progress: Called with ("read", done, total).

    Raises:
        InputError: It is of no layout that we know, or damaged, or parts are missing.
    """
    path = Path(path).expanduser()
    for layout in LAYOUTS:
        found = layout.find(path)
        if found is not None:
            return layout.read(found, image_size=image_size, progress=progress)
    raise InputError(_unknown(path))


def _unknown(path: Path) -> str:
    if not path.exists():
        return f"There is no file or folder {str(path)!r}; check the spelling."
    holds = ""
    if path.is_dir():
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
        shown = ", ".join(entries[:8]) + (", ..." if len(entries) > 8 else "")
        holds = f" It holds {shown}." if entries else " It is empty."
    known = "\n".join(f"  {about}" for about in ("a scene.npz", *(layout.about for layout in LAYOUTS)))
    return f"Cannot tell what {str(path)!r} is.{holds} These can be read:\n{known}"
