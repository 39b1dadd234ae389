"""scene.npz: everything of a scene in one file of plain arrays.

Layout, version 1: `format`, `version`, `names`, `paths` ("" for none), `image_sizes`, `intrinsics`, `world_from_cam`,
`working_intrinsics`, `registered`, `metric`, `report` (JSON text), and per photo I `depth_I`, `confidence_I`,
`color_I`; where the scene has them `distortion` and, per photo, `sky_I`.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pointmap.atomic import atomic_path
from pointmap.errors import InputError
from pointmap.export.plain_json import to_json
from pointmap.scene import Scene

FORMAT = "pointmap scene"
VERSION = 1


def save_scene(scene: Scene, path: str | Path) -> Path:
    """See `Scene.save`. Uncompressed: depths hardly compress, and a scene is written at the end of every run."""
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "names": np.array(scene.names, dtype=np.str_),
        "paths": np.array(["" if photo is None else str(photo) for photo in scene.paths], dtype=np.str_),
        "image_sizes": scene.image_sizes,
        "intrinsics": scene.intrinsics,
        "world_from_cam": scene.world_from_cam,
        "working_intrinsics": scene.working_intrinsics,
        "registered": scene.registered,
        "metric": np.array(scene.metric),
        "report": np.array(to_json(scene.report, indent=None)),
    }
    for index in range(len(scene)):
        arrays[f"depth_{index}"] = scene.depths[index]
        arrays[f"confidence_{index}"] = scene.confidences[index]
        arrays[f"color_{index}"] = scene.colors[index]
        if scene.sky is not None:
            arrays[f"sky_{index}"] = scene.sky[index]
    if scene.distortion is not None:
        arrays["distortion"] = scene.distortion
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return Path(path)


def load_scene(path: str | Path) -> Scene:
    """See `Scene.load`."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {str(path)!r}. `pointmap reconstruct` writes a scene.npz into its output.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["format"]) != FORMAT:
                raise KeyError("format")
            version = int(arrays["version"])
            if version > VERSION:
                raise InputError(
                    f"{str(path)!r} has format version {version}, newer than {VERSION}, the newest that this version "
                    "of pointmap reads. Upgrade pointmap."
                )
            names = tuple(arrays["names"].tolist())
            return Scene(
                names=names,
                paths=tuple(Path(photo) if photo else None for photo in arrays["paths"].tolist()),
                image_sizes=arrays["image_sizes"],
                intrinsics=arrays["intrinsics"],
                world_from_cam=arrays["world_from_cam"],
                depths=[arrays[f"depth_{index}"] for index in range(len(names))],
                confidences=[arrays[f"confidence_{index}"] for index in range(len(names))],
                colors=[arrays[f"color_{index}"] for index in range(len(names))],
                working_intrinsics=arrays["working_intrinsics"],
                registered=arrays["registered"],
                metric=bool(arrays["metric"]),
                report=json.loads(str(arrays["report"])),
                distortion=arrays.get("distortion"),
                sky=[arrays[f"sky_{index}"] for index in range(len(names))] if "sky_0" in arrays else None,
            )
    except InputError:
        raise
    except KeyError as error:
        raise InputError(
            f"{str(path)!r} is not a scene of pointmap: it lacks {error}. Give the scene.npz that `pointmap "
            "reconstruct` or Scene.save wrote."
        ) from error
    # What NumPy and zipfile raise for truncated, foreign or pickled content.
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            f"{str(path)!r} cannot be read as a scene: {error}. The file is damaged or something else; "
            "reconstruct again."
        ) from error
