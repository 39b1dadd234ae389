"""What worker processes do: from requests to files in a session's `result/` folder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.demo.visitors.scaling import scaled
from pointmap.demo.work.exports import write_formats
from pointmap.demo.work.file_names import FileNames
from pointmap.demo.work.memory import MEMORY
from pointmap.demo.work.settings import MATCHERS, checked_settings
from pointmap.errors import Cancelled, InputError
from pointmap.scene import Keep, Scene

TARGET_FACES, TEXTURE_SIZE = 100_000, 2048
"""Of the surface that the page shows, and that exports contain."""
_EARLY_POINTS, _EARLY_PHOTO_SIZE = 60_000, 160
_FILM_DIAGONAL_MM = 43.267
"""Of 36x24 mm; EXIF, too, compares lenses by the diagonal."""
_REST = 5
"""Early views take one part in so many of the time at most."""


class Tell(Protocol):
    """How a job speaks while it works. Raises `Cancelled` when the visitor has had enough."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def drawn(self, view: int) -> None:
        """`view-<n>.bin` is there."""

    def kept(self, report: dict[str, Any]) -> None:
        """scene.npz is there, and this is known of it, whatever comes of the surface."""


def reconstruct_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Photos to scene.npz and views: growing clouds, the whole cloud, and (if asked) the textured surface.

    Args:
        request: "photos": [{"file", "name", "strokes"}] and "settings": `pointmap.reconstruct`'s "model", "pairs",
            "image_size", "shared_focal", "poses", "depth", "subject" (absent: default), "focal_px" (of all photos) or
            "focal_35mm", "mask_sky" (bool), "surface" (bool); "first_view".

    Returns:
        {"photos", "registered", "seconds", "not_registered": [names], "skipped": [{"name", "reason"}], "dropped":
        [lines], "notes": [lines: memory ran out and batches were made smaller, ...], "keep": settings of `Scene.masks`
        that views and surface follow, "surface": bool, "no_surface": why there is none, or None}.
    """
    from pointmap.pipeline import reconstruct

    start = time.monotonic()
    settings = checked_settings(request.get("settings", {}))
    photos = request["photos"]
    files, names = [Path(photo["file"]) for photo in photos], FileNames(photos)
    keep: Keep = {"mask_sky": True} if settings.pop("mask_sky", False) else {}
    surface, watertight = settings.pop("surface", True), settings.get("subject") == "object"
    lens = {name: settings.pop(name, None) for name in ("focal_px", "focal_35mm")}
    views = _Views(result, request["first_view"], tell)

    def progress(stage: str, done: int, total: int, early: Scene | None) -> None:
        if stage == "done":
            return
        tell(stage, done, total)
        if early is not None:
            views.draw_early(names.in_scene(early), keep)

    MEMORY.forget_scene()  # before the new one takes its memory
    with names.in_errors():
        settings["model"] = MEMORY.network(settings.get("model", "small"), progress=tell)
        scene = reconstruct(
            files,
            **settings,
            intrinsics=_intrinsics(files, **lens),
            masks=_masks(photos, files),
            progress=progress,
        )
    scene = names.in_scene(scene)
    tell("draw", 0, 1)
    views.draw(scene, None, keep)
    scene.save(_writable(result) / "scene.npz")
    MEMORY.keep(result, scene)
    tell("draw", 1, 1)
    known = {name: scene.report.get(name, []) for name in ("not_registered", "skipped", "dropped", "notes")}
    report = known | {"photos": len(scene), "registered": int(scene.registered.sum()), "keep": keep}
    report |= {"seconds": round(time.monotonic() - start, 1), "surface": False, "no_surface": None}
    if surface:
        tell.kept(report)
        more = {"keep": keep, "watertight": watertight}
        report |= _draw_surface(result, scene, more, views, tell)
    return report | {"seconds": round(time.monotonic() - start, 1)}


def surface_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """The surface of the kept scene anew.

    Args:
        request: "keep" (settings of `Scene.masks`), "target_faces", "texture" (bool), "first_view".

    Returns:
        {"surface": bool, "no_surface": why there is none, or None, "keep"}.
    """
    scene = MEMORY.scene(result)
    views = _Views(result, request["first_view"], tell)
    return {"keep": request.get("keep", {})} | _draw_surface(result, scene, request, views, tell)


def export_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Files of the kept scene into `result/files/`.

    Args:
        request: "formats": names of `pointmap.formats.WRITERS`, "keep", "factor" and "metric" (the scale that was set).

    Returns:
        {"files": [{"name", "format", "bytes"}], "zip": name or None, "failed": [{"format", "reason"}]}; folders are
        zipped one by one; with several formats there is a zip of all.
    """
    keep = kept_settings(request)
    factor = float(request.get("factor", 1.0))
    own = MEMORY.scene(result)
    metric = bool(request.get("metric")) or (own.metric and factor == 1.0)
    scene = scaled(own, factor, metric)
    watertight = "object" in own.report

    def mesh(**other: Any) -> Any:
        found = MEMORY.surface(result, keep, **(_shown(watertight) | other), progress=tell).copy()
        return found.apply_scale(factor)

    return write_formats(scene, _writable(result), request["formats"], keep, mesh, tell)


def match_job(result: Path, request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """`matches.jpg` of two photos; request: "photos": two entries as for `reconstruct_job`, "matcher".

    Returns:
        {"matches", "agreed"}: how many, and how many of them on one epipolar geometry.
    """
    import cv2

    from pointmap.matchers import load_matcher, match_two_photos

    matcher = request.get("matcher", "sift")
    if matcher not in MATCHERS:
        raise InputError(f"There is no matcher {str(matcher)[:60]!r} here. Choose {' or '.join(MATCHERS)}.")
    tell("load", 0, 1)
    network = cast(Any, None if matcher == "sift" else MEMORY.network("small"))
    tell("keypoints", 0, 1)
    with FileNames(request["photos"]).in_errors():
        first, second = (Path(photo["file"]) for photo in request["photos"])
        found = match_two_photos(first, second, load_matcher(matcher, network=network))
    tell("write", 0, 1)
    write_bytes(_writable(result) / "matches.jpg", cv2.imencode(".jpg", found.picture[..., ::-1])[1].tobytes())
    return {"matches": found.count, "agreed": found.agreed}


JOBS: dict[str, Callable[[Path, dict[str, Any], Tell], dict[str, Any]]] = {
    "reconstruct": reconstruct_job,
    "surface": surface_job,
    "export": export_job,
    "match": match_job,
}


class _Views:
    """The numbered files that the page draws, one after the other; the last two stay."""

    def __init__(self, result: Path, first: int, tell: Tell) -> None:
        self._result, self._next, self._tell = result, first, tell
        self._rested = 0.0

    def draw(self, scene: Scene, surface: Any, keep: Keep, **settings: Any) -> None:
        from pointmap.export.html import pack_scene

        content = pack_scene(scene, surface=surface, **settings, **keep)
        number, self._next = self._next, self._next + 1
        write_bytes(_writable(self._result) / f"view-{number}.bin", content)
        self._tell.drawn(number)
        for old in self._result.glob("view-*.bin"):
            if int(old.stem.removeprefix("view-")) < number - 1:
                old.unlink(missing_ok=True)

    def draw_early(self, scene: Scene, keep: Keep) -> None:
        """A light view of a scene that still grows; or none, where drawing would hold up the work."""
        start = time.monotonic()
        if start < self._rested or not scene.registered.any():
            return
        self.draw(scene, None, keep, max_points=_EARLY_POINTS, photo_size=_EARLY_PHOTO_SIZE, final=False)
        now = time.monotonic()
        self._rested = now + (_REST - 1) * (now - start)


def _draw_surface(
    result: Path, scene: Scene, request: dict[str, Any], views: _Views, tell: Tell
) -> dict[str, str | bool | None]:
    """Make and show the surface, or say why there is none."""
    keep = kept_settings(request)
    settings = _shown(request.get("watertight", "object" in scene.report))
    settings |= {"texture": request.get("texture", True), "target_faces": request.get("target_faces") or TARGET_FACES}
    try:
        surface = MEMORY.surface(result, keep, **settings, progress=tell)
    except InputError as error:
        return {"surface": False, "no_surface": str(error)}
    tell("draw the surface", 0, 1)
    views.draw(scene, surface, keep)
    return {"surface": True, "no_surface": None}


def _shown(watertight: bool) -> dict[str, Any]:
    """Settings of the surface in the page."""
    return {"texture": True, "target_faces": TARGET_FACES, "texture_size": TEXTURE_SIZE, "watertight": watertight}


def kept_settings(request: dict[str, Any]) -> Keep:
    """What the request says of `Scene.masks`; what is None or False is left to the defaults, which are the same.

    Raises:
        InputError: There is no such setting.
    """
    keep = {
        name: value for name, value in (request.get("keep") or {}).items() if value is not None and value is not False
    }
    unknown = sorted(set(keep) - set(Keep.__annotations__))
    if unknown:
        raise InputError(f"Nothing is kept by {unknown[0]!r}. Choose among {', '.join(Keep.__annotations__)}.")
    return cast(Keep, keep)


def _writable(result: Path) -> Path:
    """The folder, unless the visitor has gone and taken it along: it must not come back."""
    if not result.is_dir():
        raise Cancelled
    return result


def _intrinsics(
    files: list[Path], *, focal_px: float | None, focal_35mm: float | None
) -> list[np.ndarray | None] | None:
    """K of every photo by the stated focal length; None for photos that cannot be read, which are left out later."""
    if focal_px is None and focal_35mm is None:
        return None
    known: list[np.ndarray | None] = []
    for file in files:
        size = _upright_size(file)
        if size is None:
            known.append(None)
            continue
        width, height = size
        focal = focal_px or float(np.hypot(width, height)) * (focal_35mm or 0) / _FILM_DIAGONAL_MM
        known.append(np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]))
    return known


def _masks(photos: list[dict[str, Any]], files: list[Path]) -> list[np.ndarray | None] | None:
    """What visitors painted over is left out; None for photos on which they did not paint."""
    from pointmap.demo.visitors.strokes import stroke_mask

    masks: list[np.ndarray | None] = []
    for photo, file in zip(photos, files, strict=True):
        strokes, size = photo.get("strokes"), _upright_size(file) if photo.get("strokes") else None
        masks.append(stroke_mask(strokes, size) if strokes and size else None)
    return masks if any(mask is not None for mask in masks) else None


def _upright_size(file: Path) -> tuple[int, int] | None:
    from PIL import Image

    from pointmap.images.exif import orientation

    try:
        with Image.open(file) as image:
            width, height = image.size
            return (height, width) if orientation(image) >= 5 else (width, height)
    except OSError:
        return None
