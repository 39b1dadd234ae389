"""InLoc, in small."""

from pathlib import Path

import numpy as np
from miniature_world import World, photograph
from PIL import Image
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from pointmap.sfm.cameras import quaternion_from

CUTOUTS = (
    "database/cutouts/DUC1/000/DUC_cutout_000_0_0.jpg",
    "database/cutouts/DUC1/001/DUC_cutout_001_30_-30.jpg",
    "database/cutouts/DUC2/000/DUC_cutout_000_60_30.jpg",
)
QUERY_SIZE = (48, 64)


def world() -> World:
    """Three cutouts and a query, whose camera is the phone's: its focal length is that of photos of 4032 pixels."""
    made = photograph(4)
    made.intrinsics[3] = [[3136.0, 0, 31.5], [0, 3136.0, 23.5], [0, 0, 1]]
    return made


def write(root: Path) -> tuple[str, ...]:
    """The one scene, with the pose of the query as nobody has it, so that there is something to score."""
    made, points = world(), world().points()
    for index, name in enumerate(CUTOUTS):
        path, pose = root / name, made.world_from_cam[index]
        path.parent.mkdir(parents=True)
        Image.fromarray(made.images[index]).save(path)
        world_from_scan = np.eye(4)
        world_from_scan[:3, :3] = Rotation.from_euler("xyz", [0.3 * index, -0.2, 1.1]).as_matrix()
        world_from_scan[:3, 3] = pose[:3, 3]
        scanned = (points[index] - pose[:3, 3]) @ world_from_scan[:3, :3]
        scanned[:4, :5] = np.nan
        savemat(f"{path}.mat", {"XYZcut": scanned, "RGBcut": made.images[index]}, do_compression=True)
        building, scan = path.parts[-3:-1]
        text = root / f"database/alignments/{building}/transformations/DUC_trans_{scan}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        blocks = [
            [" ".join(f"{value:.15g}" for value in row) for row in matrix] for matrix in (np.eye(4), world_from_scan)
        ]
        text.write_text("\n".join(["Before general icp:", *blocks[0], "", "After general icp:", *blocks[1], ""]))
    (root / "query/iphone7").mkdir(parents=True)
    Image.fromarray(made.images[3]).save(root / "query/iphone7/IMG_0731.JPG", format="JPEG")
    pose = made.cam_from_world[3]
    numbers = [*quaternion_from(pose[:3, :3]), *pose[:3, 3]]
    (root / "query_poses.txt").write_text(" ".join(["IMG_0731.JPG", *(f"{value:.15g}" for value in numbers)]))
    return ("duc",)
