"""COLMAP on the tracks that we write: reprojection errors with true cameras, and where bundle adjustment takes these.

    python eval/studies/tracks.py ../shared/data/hololens_sofa --procedural 3 --noise 0 0.02

Depths and cameras are the true ones, depths with noise added: "place" is the distance between where a track says that a
photo shows a point, and where the true depth of its first photo puts it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

if not __package__:  # run as a file: python eval/studies/tracks.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

from pointmap.colmap_scene import write_colmap
from pointmap.readers import read_posed
from pointmap.scene import Scene
from pointmap.sfm import SfmModel, read_model

from .procedural_scenes import procedural_sets
from .rows import markdown

HEADER = ("set", "noise", "photos", "points", "places", "s", "px", "px after", "place med.", "place 90 %", "turned deg")


def row(name: str, scene: Scene, noise: float) -> list[str]:
    """Scores of a scene with relative noise on its depths."""
    import pycolmap

    rng = np.random.default_rng(0)
    noisy = [(depth * (1 + noise * rng.normal(size=depth.shape))).astype(np.float32) for depth in scene.depths]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        sparse = write_colmap(replace(scene, depths=noisy), folder, images=False) / "sparse" / "0"
        seconds = time.perf_counter() - start
        model, read = read_model(sparse), pycolmap.Reconstruction(sparse)
    before = read.compute_mean_reprojection_error()
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_focal_length, options.print_summary = False, False
    pycolmap.bundle_adjustment(read, options)
    places = place_errors(scene, model)
    found = {image.name: image.cam_from_world().rotation.matrix() for image in read.images.values()}
    turned = relative_turn_deg(np.stack([found[name] for name in model.names]), model.world_from_cam[:, :3, :3])
    counts = [str(count) for count in (len(scene), len(model.points), len(model.track_views))]
    errors = [f"{v:.3f}" for v in (before, read.compute_mean_reprojection_error(), *np.quantile(places, [0.5, 0.9]))]
    return [name, f"{noise:.1%}", *counts, f"{seconds:.1f}", *errors, f"{turned.max():.3f}"]


def place_errors(scene: Scene, model: SfmModel) -> np.ndarray:
    """Pixels between each place of a track and where the scene's depth at the first one puts it."""
    first = np.unique(model.track_points, return_index=True)[1][model.track_points]
    view, other = model.track_views[first], model.track_views
    pixels = model.track_pixels[first]
    column, row = np.rint(pixels).astype(int).T
    depth = np.array([scene.depths[v][r, c] for v, r, c in zip(view, row, column, strict=True)])
    points_cam = np.pad(pixels, ((0, 0), (0, 1)), constant_values=1.0) * depth[:, None]
    points_cam = (np.linalg.inv(scene.intrinsics)[view] @ points_cam[..., None])[..., 0]
    world = (scene.world_from_cam[view, :3, :3] @ points_cam[..., None])[..., 0] + scene.world_from_cam[view, :3, 3]
    there = ((world - scene.world_from_cam[other, :3, 3])[:, None] @ scene.world_from_cam[other, :3, :3])[:, 0]
    there = (scene.intrinsics[other] @ there[..., None])[..., 0]
    errors = np.linalg.norm(there[:, :2] / there[:, 2:] - model.track_pixels, axis=1)
    return errors[(first != np.arange(len(first))) & (depth > 0)]


def relative_turn_deg(cam_from_world: np.ndarray, world_from_cam: np.ndarray) -> np.ndarray:
    """Degrees by which the rotation between two photos changed, of all pairs."""
    i, j = np.triu_indices(len(cam_from_world), 1)
    found = cam_from_world[i] @ cam_from_world[j].swapaxes(1, 2)
    true = world_from_cam[i].swapaxes(1, 2) @ world_from_cam[j]
    return np.degrees(np.arccos(np.clip((np.trace(found @ true.swapaxes(1, 2), axis1=1, axis2=2) - 1) / 2, -1, 1)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sets", type=Path, nargs="*", help="folders of posed photos with depth, as Scene.read takes them"
    )
    parser.add_argument("--procedural", type=int, default=0, help="so many held-out procedural scenes, too")
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0], help="relative, on the depths")
    given = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        truths = procedural_sets(Path(folder), given.procedural)
        for place in [*given.sets, *(Path(folder) / truth.name for truth in truths)]:
            scene = read_posed(place)
            for noise in given.noise:
                rows.append(row(place.resolve().name, scene, noise))
                print(markdown(HEADER, rows), flush=True)


if __name__ == "__main__":
    main()
