"""How well photos that were left out of a scene are localised in it, beside the scene's own photos.

    python eval/studies/localization.py ../shared/data --scenes FOLDER

Of each set every fourth photo is left out; ONE scene is reconstructed from the others at the default settings, cameras
unknown, and the photos left out are localised in it. (Leaving them out one by one, `--one-by-one`, takes as many
reconstructions.) Errors are medians over the photos, after the scene is brought to the true world: "own" those of the
scene's photos, "new" those of the localised ones. What both have in common is the scene's error.

- position: after `geometry.similarity.align_cameras`, in percent of the largest distance of two true camera centres.
  With one camera in the scene, the scale is by the true depth.
- rotation: after the one rotation that turns the scene's cameras best, in degrees; positions along a line would leave
  it open.

Cameras of the scene that are wrong (turned by more than 15 degrees against most others) take no part in either.
"wrong" are registered photos that are off by more than 5 degrees or 5 percent.
"""

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from tyro.conf import Positional, arg

if not __package__:  # run as a file: python eval/studies/localization.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes
from pointmap.geometry.similarity import align_cameras, fit_similarity, move_cameras
from pointmap.geometry.transforms import rigid
from pointmap.inference import network_fingerprint
from pointmap.localization import Localization, localize
from pointmap.models import Network
from pointmap.scene import Scene
from pointmap.shapes import Bool, Float

from ..ground_truth import GroundTruth, load_ground_truth
from .rows import markdown, shown

_WRONG_DEG, _WRONG_PERCENT = 5.0, 5.0
_SAME_WORLD_DEG = 15.0


@dataclass(frozen=True)
class Row:
    """Of one set. Medians; NaN without a photo."""

    set: str
    photos: int
    new: int
    registered: int
    wrong: int
    """Registered, but off by more than 5 degrees or 5 percent."""
    rotation_deg: float
    position_percent: float
    own_rotation_deg: float
    own_position_percent: float
    seconds: float
    """Per new photo, with what it takes to open the scene's photos."""


@dataclass(frozen=True, eq=False)
class World:
    """What brings a scene to the true world."""

    true_from_scene: Float[Tensor, "4 4"]
    """Similarity, for positions."""
    rotation: Float[Tensor, "3 3"]
    """For rotations."""
    extent: float
    """100 percent, in units of the true world."""

    def errors(self, scene_from_cam: Float[Tensor, "n 4 4"], true_from_cam: Float[Tensor, "n 4 4"]) -> np.ndarray:
        """(n, 2): degrees, and percent of the extent."""
        moved = move_cameras(self.true_from_scene, scene_from_cam)
        distance = (moved[:, :3, 3] - true_from_cam[:, :3, 3]).norm(dim=1)
        degrees = angles_deg(self.rotation @ scene_from_cam[:, :3, :3], true_from_cam[:, :3, :3])
        return torch.stack([degrees, 100 * distance / self.extent], dim=1).numpy()


def world_of(scene: Scene, truth: GroundTruth, index: np.ndarray) -> World:
    """Align a scene of the photos with these indices to the truth."""
    poses, true = torch.from_numpy(scene.world_from_cam).double(), torch.from_numpy(truth.world_from_cam)
    right = right_cameras(poses, true[index])
    rotation = fit_similarity(
        poses[right, :3, :3].mT.flatten(0, 1), true[index][right, :3, :3].mT.flatten(0, 1), with_scale=False
    )[:3, :3]
    centres = true[:, :3, 3]
    extent = float(torch.cdist(centres, centres).max())
    if int(right.sum()) > 1:
        return World(align_cameras(poses, true[index], right.double()), rotation, extent)
    only = int(right.nonzero()[0, 0])
    scale = _scale_by_depth(scene, truth, only, int(index[only]))
    offset = true[index[only], :3, 3] - scale * rotation @ poses[only, :3, 3]
    return World(rigid(scale * rotation, offset), rotation, extent)


def right_cameras(poses: Float[Tensor, "n 4 4"], true: Float[Tensor, "n 4 4"]) -> Bool[Tensor, "n"]:
    """Cameras that are turned like the most others are, against the truth."""
    turns = true[:, :3, :3] @ poses[:, :3, :3].mT
    alike = angles_deg(turns[:, None], turns[None]) < _SAME_WORLD_DEG  # False for NaN
    return alike[int(alike.sum(1).argmax())]


def angles_deg(a: Float[Tensor, "*n 3 3"], b: Float[Tensor, "*n 3 3"]) -> Float[Tensor, "*n"]:
    """Between rotations."""
    chord = torch.linalg.matrix_norm(a - b) / 8**0.5
    return torch.rad2deg(2 * torch.asin(torch.where(chord > 1, 1.0, chord)))


def _scale_by_depth(scene: Scene, truth: GroundTruth, own: int, index: int) -> float:
    depth = truth.depth(index)
    if depth is None:
        return float("nan")
    photo_from_working = scene.intrinsics[own] @ np.linalg.inv(scene.working_intrinsics[own])
    height, width = scene.depths[own].shape
    columns = (np.arange(width) * photo_from_working[0, 0] + photo_from_working[0, 2]).round().astype(int)
    rows = (np.arange(height) * photo_from_working[1, 1] + photo_from_working[1, 2]).round().astype(int)
    true = depth[rows.clip(0, depth.shape[0] - 1)[:, None], columns.clip(0, depth.shape[1] - 1)]
    known = (true > 0) & (scene.depths[own] > 0)
    return float(np.median(true[known] / scene.depths[own][known]))


def evaluate_set(truth: GroundTruth, network: Network, scenes: Path | None, *, one_by_one: bool) -> Row:
    """Localise what is left out, and compare with the truth."""
    count = len(truth.files)
    left_out = np.arange(1, count, 4)
    parts = [np.array([photo]) for photo in range(count)] if one_by_one else [left_out]
    own, new, registered, seconds = [], [], 0, 0.0
    for part in parts:
        kept = np.setdiff1d(np.arange(count), part)
        scene = _scene(truth, kept, network, scenes)
        world = world_of(scene, truth, kept)
        poses = torch.from_numpy(scene.world_from_cam).double()
        own.append(world.errors(poses, torch.from_numpy(truth.world_from_cam[kept]))[scene.registered])
        start = time.perf_counter()
        found = localize(scene, [truth.files[photo] for photo in part], model=network)
        seconds += time.perf_counter() - start
        assert isinstance(found, list)
        new.append(world.errors(_poses(found), torch.from_numpy(truth.world_from_cam[part])))
        registered += sum(photo.registered for photo in found)
    errors, own_errors = np.concatenate(new), np.concatenate(own)
    errors = errors[np.isfinite(errors[:, 0])]
    wrong = (errors[:, 0] > _WRONG_DEG) | (errors[:, 1] > _WRONG_PERCENT)
    total = sum(len(part) for part in parts)
    return Row(
        truth.name,
        count,
        total,
        registered,
        int(wrong.sum()),
        *(_median(column) for column in errors.T),
        *(_median(column) for column in own_errors.T),
        seconds / total,
    )


def _scene(truth: GroundTruth, kept: np.ndarray, network: Network, folder: Path | None) -> Scene:
    """A scene of these photos, from the folder where it is there."""
    name = (
        f"{truth.name}-{len(truth.files)}-without-{'-'.join(map(str, np.setdiff1d(np.arange(len(truth.files)), kept)))}"
    )
    path = folder / f"{name}-{network_fingerprint(network)[:8]}.npz" if folder is not None else None
    if path is not None and path.is_file():
        return Scene.load(path)
    scene = pointmap.reconstruct([truth.files[photo] for photo in kept], model=network, progress=False)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        scene.save(path)
    return scene


def _poses(found: list[Localization]) -> Float[Tensor, "n 4 4"]:
    return torch.from_numpy(np.stack([photo.world_from_cam for photo in found])).double()


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def table(rows: list[Row]) -> str:
    """One line per set."""
    header = (
        "set",
        "photos",
        "new",
        "registered",
        "wrong",
        "rotation",
        "position",
        "own rotation",
        "own position",
        "s",
    )
    lines = []
    for row in rows:
        counts = [str(count) for count in (row.photos, row.new, row.registered, row.wrong)]
        own = (row.own_rotation_deg, row.own_position_percent)
        errors = [shown(value, "{:.2f}") for value in (row.rotation_deg, row.position_percent, *own)]
        lines.append([row.set, *counts, *errors, shown(row.seconds, "{:.1f}")])
    return markdown(header, lines)


def evaluate_localization(
    data: Positional[Path],
    output: Annotated[Path, arg(aliases=["-o"])] = Path("eval-localization"),
    sets: tuple[str, ...] = (),
    model: str = "small",
    photos: int = 24,
    one_by_one: bool = False,
    scenes: Path | None = None,
    device: str | None = None,
) -> list[Row]:
    """Localise photos that were left out.

    Args:
        data: Folder of sets, each with photos and a cameras.json.
        output: Folder for localization.json.
        sets: Names of folders in `data`; default all.
        model: What `pointmap reconstruct --model` takes.
        photos: At most so many of each set, evenly chosen.
        one_by_one: Leave out one photo after the other, each with a reconstruction of its own.
        scenes: Folder in which reconstructions are kept and looked for. Delete it when the engine has changed.
        device: cpu or cuda; default cuda where there is one.
    """
    names = sets or tuple(sorted(path.parent.name for path in data.glob("*/cameras.json")))
    if not names:
        raise InputError(f"No set in {str(data)!r}: no folder there has a cameras.json.")
    network = pointmap.load_model(model, device=device)
    rows = []
    for name in names:
        rows.append(evaluate_set(load_ground_truth(data / name).spread(photos), network, scenes, one_by_one=one_by_one))
        print(table(rows[-1:]), file=sys.stderr, flush=True)
    print(table(rows))
    content = {
        "benchmark": "localization",
        "pointmap": pointmap.__version__,
        "model": model,
        "one_by_one": one_by_one,
        "rows": [asdict(row) for row in rows],
    }
    print(f"Written: {write_bytes(output / 'localization.json', json_bytes(content))}")
    return rows


def main() -> int:
    """Command line: 2 on a wrong setting."""
    import tyro

    try:
        tyro.cli(evaluate_localization, description=__doc__)
    except InputError as error:
        print(f"localization: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
