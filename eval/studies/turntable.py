"""Object mode on a figure that turns before a camera: masks, cameras and the closed mesh, beside plain reconstruction.

    python eval/studies/turntable.py -o OUT                          # all three procedural sets
    python eval/studies/turntable.py turning -o OUT --only object
    python eval/studies/turntable.py buddha --data ../shared/data -o OUT

Procedural sets (`turntable_scenes.py`) are rendered into OUT/sets once. Per set and method a line with the scores of
cameras (shares over all pairs, in percent), the masks' intersection over union with the truth, the turn of the whole
orbit in degrees, whether the mesh is closed, and how far it is from the true surface in percent of the figure's height
(mean distance both ways, and the F-score at 1 %). Pictures of the meshes go to OUT.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/turntable.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.geometry.similarity import fit_similarity
from pointmap.images import load_views
from pointmap.models import Network
from pointmap.scene import Scene, View
from pointmap.turntable import MASK_SIZE, find_subject

from ..ground_truth import GroundTruth, load_ground_truth
from .mesh_picture import draw_mesh
from .rows import Estimate, markdown, score, shown
from .turntable_scenes import HEIGHT, Kind, surface_points, turntable_set

if TYPE_CHECKING:
    import trimesh

METHODS = ("plain", "object")
HEADER = ("set", "method", "photos", "registered", "RRA@15", "RTA@15", "AUC@30", "AbsRel")
HEADER += ("mask IoU", "turn", "mesh", "distance %", "F@1%", "s")
_SAMPLES = 200_000


def find_masks(files: Sequence[Path]) -> list[np.ndarray]:
    """The masks that object mode finds, on the photos' own pixels."""
    whole = [
        View(file.name, pixels, pixels.shape[1::-1], np.eye(3), file) for file in files for pixels in [_read(file)]
    ]
    found = find_subject(load_views(list(files), image_size=MASK_SIZE, patch_size=8).views)
    return [found.keep(view) for view in whole]


def _read(file: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def mesh_errors(mesh: "trimesh.Trimesh", scene: Scene, truth: GroundTruth) -> tuple[float, float]:
    """Mean distance of mesh and true surface (both ways) and F-score at 1 %, in parts of the figure's height.

    The mesh is moved by the similarity that fits the cameras best. What the figure stands on is left out.
    """
    import trimesh
    from scipy.spatial import KDTree

    known = scene.registered & truth.posed
    true_from_world = fit_similarity(
        torch.from_numpy(scene.world_from_cam[known, :3, 3]), torch.from_numpy(truth.world_from_cam[known, :3, 3])
    ).numpy()
    surface = surface_points(_SAMPLES)
    points = (
        trimesh.sample.sample_surface(mesh, _SAMPLES, seed=0)[0] @ true_from_world[:3, :3].T + true_from_world[:3, 3]
    )
    points = points[points[:, 1] < surface[:, 1].max() - 0.005 * HEIGHT]
    accuracy, completeness = KDTree(surface).query(points)[0] / HEIGHT, KDTree(points).query(surface)[0] / HEIGHT
    precision, recall = (accuracy < 0.01).mean(), (completeness < 0.01).mean()
    return float((accuracy.mean() + completeness.mean()) / 2), float(
        2 * precision * recall / (precision + recall + 1e-9)
    )


def evaluate(
    truth: GroundTruth, masks: list[np.ndarray] | None, method: str, network: Network, output: Path
) -> list[str]:
    """One line of the table.

    Args:
        masks: True ones (H, W) of a procedural set; None for others, whose surface is not known either.
    """
    start = time.perf_counter()
    subject: Literal["scene", "object"] = "object" if method == "object" else "scene"
    scene = pointmap.reconstruct(list(truth.files), model=network, subject=subject, progress=False)
    seconds = time.perf_counter() - start
    row = score(truth, Estimate.of(scene, truth), method=method)
    percent = [shown(100 * value, "{:.1f}") for value in (row.rra_15, row.rta_15, row.auc_30)]
    line = [truth.name, method, str(row.photos), str(row.registered), *percent, shown(row.depth_absrel)]
    overlap = distance = f_score = float("nan")
    turn = closed = "-"
    if subject == "object":
        print(scene.report["object"], flush=True)
        turn = f"{scene.report['object']['orbit'].get('turn_deg', float('nan')):.0f}"
        if masks is not None and scene.report["object"]["masks"]["way"] != "nothing":
            found = find_masks(truth.files)
            overlap = float(np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(found, masks, strict=True)]))
        mesh = scene.mesh(watertight=True)
        closed = "closed" if mesh.is_watertight else "open"
        if masks is not None:
            distance, f_score = mesh_errors(mesh, scene, truth)
        mesh.export(output / f"{truth.name}.ply")
        draw_mesh(mesh, output / f"{truth.name}.png", up=-scene.world_from_cam[scene.registered, :3, 1].mean(axis=0))
    scene.save(output / f"{truth.name}-{method}.npz")
    surface = [shown(100 * distance, "{:.2f}"), shown(100 * f_score, "{:.1f}")]
    return [*line, shown(overlap), turn, closed, *surface, f"{seconds:.0f}"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(get_args(Kind)), help="procedural sets, or folders of --data")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--output", type=Path, default=Path("eval-turntable"))
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--model", default="small")
    parser.add_argument("--only", choices=METHODS)
    settings = parser.parse_args()
    settings.output.mkdir(parents=True, exist_ok=True)
    network = pointmap.load_model(settings.model)
    lines = []
    for name in settings.sets:
        masks = None
        if name in get_args(Kind):
            truth, masks = turntable_set(settings.output / "sets", name, count=settings.photos)
        else:
            truth = load_ground_truth(settings.data / name).spread(settings.photos)
        for method in METHODS:
            if settings.only in (None, method):
                lines.append(evaluate(truth, masks, method, network, settings.output))
                print(markdown(HEADER, lines), flush=True)


if __name__ == "__main__":
    main()
