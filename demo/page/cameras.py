"""The cameras of a scene as a table, and as a map seen from above."""

from dataclasses import dataclass
from html import escape

import numpy as np

from pointmap.export.frusta import make_frusta
from pointmap.export.viewpoints import LevelFrame
from pointmap.scene import Scene

_MAP_WIDTH, _LEAST_HEIGHT, _MOST_HEIGHT, _MARGIN = 640, 300, 640, 26
_POINTS = 3000
_STRAYS = 0.02
"""Of the points on every side do not make the rest small."""
_CONE = 0.07
"""Depth of a camera's cone, as a share of the width of the map."""
_LABEL_GAP = 16
"""Between numbers on the map, in its pixels; one that would come closer to another is left out."""


@dataclass(frozen=True)
class PlacedCamera:
    """Where a camera is; everything in the world frame of the scene."""

    focal_px: float
    """In pixels of the original photo."""

    fov_deg: float
    """Across the width of the photo."""

    position: tuple[float, float, float]

    direction: tuple[float, float, float]
    """Unit vector: where it looks."""


def placed_cameras(scene: Scene) -> list[PlacedCamera | None]:
    """One entry per photo; None where it could not be placed."""
    cameras: list[PlacedCamera | None] = []
    for index in range(len(scene)):
        if not scene.registered[index]:
            cameras.append(None)
            continue
        width = float(scene.image_sizes[index, 0])
        focal, middle = float(scene.intrinsics[index, 0, 0]), float(scene.intrinsics[index, 0, 2])
        fov = np.arctan((middle + 0.5) / focal) + np.arctan((width - 0.5 - middle) / focal)
        pose = scene.world_from_cam[index]
        cameras.append(
            PlacedCamera(focal, float(np.degrees(fov)), tuple(pose[:3, 3].tolist()), tuple(pose[:3, 2].tolist()))
        )
    return cameras


def cameras_table(scene: Scene, unit: str) -> str:
    """As HTML: a row per photo."""
    colors = _colors(scene)
    rows = []
    for index, (name, camera) in enumerate(zip(scene.names, placed_cameras(scene), strict=True)):
        head = f'<th scope="row"><span class="pm-index">{index + 1}</span> {escape(name)}</th>'
        if camera is None:
            rows.append(
                f'<tr class="pm-missing">{head}<td>no</td><td colspan="8">not tied to the other photos</td></tr>'
            )
            continue
        values = [
            f"{camera.focal_px:.0f}",
            f"{camera.fov_deg:.1f}°",
            *(_number(value) for value in camera.position),
            *(f"{round(value, 2) + 0.0:.2f}" for value in camera.direction),
        ]
        cells = "".join(f"<td>{value}</td>" for value in values).replace("-", "&minus;")
        swatch = f'<span class="pm-swatch" style="background: {colors[index]}"></span>'
        rows.append(f"<tr>{head}<td>{swatch}yes</td>{cells}</tr>")
    unit = escape(unit)
    axes = 2 * "".join(f'<th scope="col">{axis}</th>' for axis in "xyz")
    return (
        '<div class="pm-scroll" tabindex="0" role="region" aria-label="Table of the cameras"><table class="pm-table">'
        "<thead>"
        '<tr><th scope="col" rowspan="2">Photo</th><th scope="col" rowspan="2">Placed</th>'
        '<th scope="col" rowspan="2">Focal length<br><small>pixels</small></th>'
        '<th scope="col" rowspan="2">Field of view<br><small>across</small></th>'
        f'<th scope="colgroup" colspan="3">Position <small>{unit}</small></th>'
        '<th scope="colgroup" colspan="3">Looks along</th></tr>'
        f"<tr>{axes}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def cameras_map(scene: Scene, unit: str) -> str:
    """As SVG: cloud and cameras from above, levelled as the viewer has them; ink is the colour of the text around."""
    cloud = np.asarray(scene.point_cloud(max_points=_POINTS).vertices)
    frame = LevelFrame.of(scene, cloud)
    points, centres = _from_above(frame, cloud), _from_above(frame, scene.world_from_cam[scene.registered, :3, 3])
    if len(centres) == 0:
        return ""
    low, high = _extent(points, centres)
    scale = (_MAP_WIDTH - 2 * _MARGIN) / max(float(high[0] - low[0]), 1e-12)
    scale = min(scale, (_MOST_HEIGHT - 2 * _MARGIN) / max(float(high[1] - low[1]), 1e-12))
    height = float(np.clip(scale * (high[1] - low[1]) + 2 * _MARGIN, _LEAST_HEIGHT, _MOST_HEIGHT))
    middle = np.array([_MAP_WIDTH, height]) / 2

    def place(flat: np.ndarray) -> np.ndarray:
        return (flat - (low + high) / 2) * scale + middle

    shown = place(points)
    shown = shown[((shown > 2) & (shown < [_MAP_WIDTH - 2, height - 2])).all(axis=1)]
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in shown.tolist())
    frusta = make_frusta(scene, size=_CONE * _MAP_WIDTH / scale)
    colors = _colors(scene)
    cones, labels, labelled = [], [], np.zeros((0, 2))
    for photo, corners in zip(frusta.photos.tolist(), frusta.corners_world, strict=True):
        outline = place(_from_above(frame, corners[:5]))
        apex, ahead = outline[0], outline[1:].mean(axis=0) - outline[0]
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in _hull(outline).tolist())
        cones.append(
            f'<g style="color: {colors[photo]}"><title>{photo + 1}: {escape(scene.names[photo])}</title>'
            f'<polygon points="{text}"/><circle cx="{apex[0]:.1f}" cy="{apex[1]:.1f}" r="3"/></g>'
        )
        x, y = apex - 11 * ahead / max(float(np.linalg.norm(ahead)), 1e-9)  # behind the camera
        if len(labelled) == 0 or np.linalg.norm(labelled - [x, y], axis=1).min() > _LABEL_GAP:
            labelled = np.concatenate([labelled, [[x, y]]])
            labels.append(f'<text x="{x:.1f}" y="{y:.1f}">{photo + 1}</text>')
    return (
        f'<svg class="pm-map" viewBox="0 0 {_MAP_WIDTH} {height:.0f}" role="img" aria-label="{_in_words(scene)}">'
        f'<path class="pm-dots" d="{dots}"/><g class="pm-cones">{"".join(cones)}</g>'
        f'<g class="pm-labels" aria-hidden="true">{"".join(labels)}</g>{_scale_bar(scale, height, unit)}</svg>'
    )


def _from_above(frame: LevelFrame, points_world: np.ndarray) -> np.ndarray:
    """(n, 2) to the right and down on the map, in scene units: what the cameras look at is further up."""
    return frame.place(np.asarray(points_world))[:, [0, 2]]


def _extent(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the box that is shown; a camera that is far off does not count."""
    if len(points):
        middle = np.median(points, axis=0)
        distances = np.linalg.norm(points - middle, axis=1)
        centres = centres[np.linalg.norm(centres - middle, axis=1) <= 6 * np.median(distances)]
        points = np.quantile(points, [_STRAYS, 1 - _STRAYS], axis=0)
    both = np.concatenate([points, centres])
    low, high = both.min(axis=0), both.max(axis=0)
    room = 0.08 * float((high - low).max()) or 1.0
    return low - room, high + room


def _hull(outline: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.convexHull(outline.astype(np.float32))[:, 0]


def _scale_bar(scale: float, height: float, unit: str) -> str:
    """A round length, about a fifth of the width."""
    wanted = _MAP_WIDTH / 5 / scale
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    left, y = 14, height - 14
    right = left + length * scale
    return (
        f'<g class="pm-bar-of-length"><path d="M{left} {y - 4:.1f}v8m0 -4H{right:.1f}m0 -4v8"/>'
        f'<text x="{right + 8:.1f}" y="{y + 4:.1f}">{length:g} {escape(unit)}</text></g>'
    )


def _in_words(scene: Scene) -> str:
    count = int(scene.registered.sum())
    placed = "1 camera" if count == 1 else f"{count} cameras"
    return f"Map from above: {placed} as numbered cones, and what they see as dots"


def _colors(scene: Scene) -> dict[int, str]:
    """Of the registered photos, those of their cameras in the viewer."""
    frusta = make_frusta(scene, size=1.0)
    return {
        photo: "#{:02x}{:02x}{:02x}".format(*color)
        for photo, color in zip(frusta.photos.tolist(), frusta.colors.tolist(), strict=True)
    }


def _number(value: float) -> str:
    """Three digits behind the point for what is small; no more than a table needs for what is large."""
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no minus before 0
