"""InLoc: localisation of phone photos in laser scans of a university; the poses of the queries are not public."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.atomic import write_bytes
from pointmap.errors import InputError
from pointmap.export.plain_json import json_bytes

from ..benchmark import About, Benchmark, Setting
from ..estimate import Estimate, photo_sizes
from ..layouts.frame_choice import whole_option
from ..layouts.mapped_queries import LOST, KnownPhoto, localization_task, read_poses, read_retrieval, submission_lines
from ..layouts.tree import find_scenes, require_file
from ..protocols.combined import Combined
from ..protocols.localization import Localization
from ..protocols.registered import Registered
from ..task import Task

SCENES = ("duc",)
"""One, with both buildings: which query belongs to DUC1 or DUC2 is not public."""

QUERIES = "query/iphone7"
CUTOUTS = "database/cutouts"
RETRIEVAL = "pairsfile/query/pairs-query-netvlad40-temporal.txt"
"""As `naver/dust3r:dust3r_visloc/README.md` names it; comes with `cvg/Hierarchical-Localization:pairs/inloc/`."""
POSES = "query_poses.txt"
"""Of whoever has them, in the root: lines `name qw qx qy qz tx ty tz` of cam_from_world."""

_FOCAL = 4032 * 28 / 36
"""Of the queries, in pixels of photos of 4032 x 3024: `cvg/Hierarchical-Localization:hloc/localize_inloc.py`."""

_NOTE = (
    "The poses of the queries are not public: without them every error is unknown, and only how many queries got a "
    "pose can be told. Beside each scene a run leaves the file that "
    "https://www.visuallocalization.net/submission/ scores (per building), where photos have their names without "
    f"folders. Whoever has poses puts them into {POSES} in the root. The cutouts of the map have no camera files: "
    "pinhole and rotation are fitted to their points (XYZcut), which a scanner at the origin of its own frame "
    "measured, and the scan's transformation brings them to the world. With a retrieval list the map holds the cutouts "
    "that it names, else all of DUC1 and DUC2, which takes long."
)


class InLoc(Benchmark):
    """Taira et al. 2018."""

    name: ClassVar[str] = "inloc"
    title: ClassVar[str] = "InLoc"
    about: ClassVar[About] = About(
        homepage="https://github.com/HajimeTaira/InLoc_dataset",
        licence="not stated",
        paper="Taira, Okutomi, Sattler, Cimpoi, Pollefeys, Sivic, Pajdla, Torii: InLoc: Indoor Visual Localization "
        "with Dense Matching and View Synthesis, CVPR 2018",
        layout=f"ROOT/{QUERIES}/*.JPG\n"
        f"     {CUTOUTS}/DUC1/000/DUC_cutout_000_0_0.jpg, DUC_cutout_000_0_0.jpg.mat, ...   DUC1 and DUC2\n"
        "     database/alignments/DUC1/transformations/DUC_trans_000.txt\n"
        f"     {RETRIEVAL}   optional, from cvg/Hierarchical-Localization:pairs/inloc/\n"
        f"     {POSES}   optional: poses of queries, name qw qx qy qz tx ty tz of cam_from_world",
        layout_source="HajimeTaira/InLoc_dataset:README.md, cvg/Hierarchical-Localization:hloc/localize_inloc.py",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "localization": Setting(
            "Localisation",
            Combined((Localization(((0.25, 10.0), (0.5, 10.0), (1.0, 10.0))), Registered())),
            "https://www.visuallocalization.net/benchmark/; naver/mast3r:README.md (NetVLAD40 temporal, 20 of them)",
            _NOTE,
            {"top": 20},
        )
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        needed = (QUERIES, f"{CUTOUTS}/DUC1", f"{CUTOUTS}/DUC2", "database/alignments")
        missing = next((path for path in needed if not (root / path).is_dir()), None)
        return find_scenes(self, root, SCENES, only, lambda _: missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        top = whole_option(self.settings[setting], "top")
        poses = read_poses(root / POSES) if (root / POSES).is_file() else {}
        files = [path for path in sorted((root / QUERIES).iterdir()) if path.suffix.lower() in (".jpg", ".png")]
        queries = []
        for path, (width, height) in zip(files, photo_sizes(tuple(files)), strict=True):
            K = np.array([[_FOCAL, 0, (width - 1) / 2], [0, _FOCAL, (height - 1) / 2], [0, 0, 1]])
            queries.append(KnownPhoto(f"{QUERIES}/{path.name}", path, K, poses.get(path.name, LOST)))
        retrieved = None
        if (root / RETRIEVAL).is_file():
            retrieved = read_retrieval(root / RETRIEVAL)
            names = sorted({name for query in queries for name in retrieved.get(query.name, [])[:top]})
        else:
            found = [path for building in ("DUC1", "DUC2") for path in (root / CUTOUTS / building).glob("*/*.jpg")]
            names = sorted(path.relative_to(root).as_posix() for path in found)
        return localization_task(
            scene,
            _mapped(root, names, scratch),
            queries,
            retrieved=retrieved,
            top=top,
            submit={query.name: Path(query.name).name for query in queries},
        )

    def submission(self, task: Task, estimate: Estimate) -> str:
        """Of the server."""
        return "".join(f"{line}\n" for line in submission_lines(task, estimate))


def _mapped(root: Path, names: list[str], scratch: Path) -> list[KnownPhoto]:
    """Cutouts with their cameras, which are kept in the scratch folder: their points are 46 MB a photo."""
    kept = scratch / "inloc_cameras.json"
    cameras: dict[str, list] = json.loads(kept.read_text()) if kept.is_file() else {}
    photos = []
    for name in names:
        path = require_file(root / name, "a photo of the map")
        if name not in cameras:
            cameras[name] = [matrix.tolist() for matrix in _cutout_camera(path.with_name(f"{path.name}.mat"))]
        K, scan_from_cam = (np.array(matrix) for matrix in cameras[name])
        photos.append(KnownPhoto(name, path, K, _world_from_scan(root, name) @ scan_from_cam))
    scratch.mkdir(parents=True, exist_ok=True)
    write_bytes(kept, json_bytes(cameras))
    return photos


def _cutout_camera(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pinhole and scan_from_cam of a picture of a scan, by the point that each of its pixels shows.

    The scanner is the origin, so that pixels are a homography of directions: K times the rotation.
    """
    from scipy.io import loadmat
    from scipy.linalg import rq

    try:
        points = np.asarray(loadmat(require_file(path, "points of a cutout"))["XYZcut"], np.float64)
        height, width, _ = points.shape
    except (KeyError, ValueError, OSError, TypeError, NotImplementedError) as error:
        raise InputError(f"Cannot read points of a cutout (XYZcut) in {str(path)!r}: {error}") from error
    # 100 x 75 of the pixels are plenty for eight unknowns.
    rows, columns = np.meshgrid(*(np.arange(0, n, max(1, n // 75)) for n in (height, width)), indexing="ij")
    seen = points[rows, columns]
    known = np.isfinite(seen).all(axis=-1) & (np.linalg.norm(np.nan_to_num(seen), axis=-1) > 0)
    if known.sum() < 8:
        raise InputError(f"{str(path)!r} has {known.sum()} points; expected a scan.")
    rays = seen[known] / np.linalg.norm(seen[known], axis=-1, keepdims=True)
    u, v = columns[known] / width - 0.5, rows[known] / width - 0.5 * height / width
    zero = np.zeros_like(rays)
    equations = np.concatenate(
        [np.hstack([rays, zero, -u[:, None] * rays]), np.hstack([zero, rays, -v[:, None] * rays])]
    )
    homography = np.linalg.svd(equations, full_matrices=False)[2][-1].reshape(3, 3)
    if np.median(rays @ homography[2]) < 0:
        homography = -homography
    K, rotation = rq(homography)
    # Signs such that focal lengths are positive; points in front then leave a proper rotation.
    signs = np.diag(np.sign(np.diag(K)))
    K, rotation = K @ signs, signs @ rotation
    K = K / K[2, 2]
    K[0, 1] = 0.0
    pixels_from_units = np.array([[width, 0, 0.5 * width], [0, width, 0.5 * height], [0, 0, 1]])
    K = pixels_from_units @ K
    cam = rays @ rotation.T
    error = np.abs(cam @ K[:2].T / cam[:, 2:] - np.stack([columns[known], rows[known]], axis=-1))
    if np.linalg.det(rotation) < 0 or not np.median(error) < 2.0:
        raise InputError(f"The points in {str(path)!r} were not seen from the origin by a pinhole.")
    scan_from_cam = np.eye(4)
    scan_from_cam[:3, :3] = rotation.T
    return K, scan_from_cam


def _world_from_scan(root: Path, name: str) -> np.ndarray:
    """The second matrix of a scan's file, below "After general icp:"; rigid."""
    building, scan = Path(name).parts[-3:-1]
    prefix = Path(name).name.split("_")[0]
    path = root / f"database/alignments/{building}/transformations/{prefix}_trans_{scan}.txt"
    lines = require_file(path, "the transformation of a scan").read_text().splitlines()
    try:
        start = next(place for place, line in enumerate(lines) if line.strip().lower().startswith("after general icp"))
        matrix = np.array([line.split() for line in lines[start + 1 : start + 5]], np.float64).reshape(4, 4)
        if not np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-2):
            raise ValueError("it is not rigid")
        return matrix
    except (StopIteration, ValueError) as error:
        raise InputError(
            f"{str(path)!r} is damaged: expected 'After general icp:' and a 4x4 matrix. {error}"
        ) from error
