"""What worker processes do: from requests to files in a session's `result/` folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from pointmap.scene import Scene


class Tell(Protocol):
    """How a job speaks while it works. Raises `Cancelled` when the visitor has had enough."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def drawn(self, view: int) -> None:
        """`view-<n>.bin` is there."""


def reconstruct_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Photos to scene.npz and views: growing clouds, the whole cloud, and (if asked) the textured surface.

    Args:
        request: "photos": [{"file", "name", "strokes"}] and "settings": `pointmap.reconstruct`'s "model", "pairs",
            "image_size", "shared_focal", "poses", "depth", "subject" (absent: default), "focal_px" (of all photos) or
            "focal_35mm", "mask_sky" (bool), "surface" (bool).

    Returns:
        {"photos", "registered", "seconds", "not_registered": [names], "skipped": [{"name", "reason"}], "dropped":
        [lines], "notes": [lines: memory ran out and batches were made smaller, ...], "surface": bool,
        "no_surface": why there is none, or None}.
    """
    raise NotImplementedError


def surface_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """The surface of the kept scene anew; request: "keep" (settings of `Scene.masks`), "target_faces", "texture"."""
    raise NotImplementedError


def export_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Files of the kept scene into `result/files/`.

    Args:
        request: "formats": names of `pointmap.formats.WRITERS`, "keep", "factor" and "metric" (the scale that was set).

    Returns:
        {"files": [{"name", "format", "bytes"}], "zip": name or None, "failed": [{"format", "reason"}]}; folders are
        zipped one by one; with several formats there is a zip of all.
    """
    raise NotImplementedError


def match_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`matches.jpg` of two photos; request: "photos": two entries as for `reconstruct_job`, "matcher".

    Returns:
        {"matches", "agreed"}: how many, and how many of them on one epipolar geometry.
    """
    raise NotImplementedError


JOBS: dict[str, Callable[[Path, dict[str, Any], Tell], dict[str, Any]]] = {
    "reconstruct": reconstruct_job,
    "surface": surface_job,
    "export": export_job,
    "match": match_job,
}


def scaled(scene: Scene, factor: float, metric: bool) -> Scene:
    """The scene in another unit."""
    raise NotImplementedError
