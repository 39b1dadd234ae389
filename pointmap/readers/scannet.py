"""An export of ScanNet's sensor streams: color/, depth/, pose/ and intrinsic/."""

from functools import partial
from pathlib import Path

from pointmap.errors import InputError
from pointmap.images.sources import IMAGE_ENDINGS, natural_key
from pointmap.progress import ProgressCallback
from pointmap.readers.frames import read_matrix
from pointmap.readers.posed import MILLIMETRES, NO_DEPTH, DepthMap, PosedPhoto, posed_scene, read_depth, rigid_pose
from pointmap.scene import Scene


def find(path: Path) -> Path | None:
    """The folder."""
    return path if (path / "color").is_dir() and (path / "pose").is_dir() else None


def read(folder: Path, *, image_size: int, progress: ProgressCallback | None = None) -> Scene:
    """Frames in their order; lost poses, which ScanNet writes as -inf, are not registered.

    The colour and the depth camera have intrinsics of their own and count as one viewpoint, as ScanNet's extrinsics do.
    """
    intrinsics = folder / "intrinsic" / "intrinsic_color.txt"
    if not intrinsics.is_file():
        raise InputError(f"There is no {str(intrinsics)!r}. Export the intrinsics of the scan, too.")
    K = read_matrix(intrinsics)[:3, :3]
    depth_intrinsics = folder / "intrinsic" / "intrinsic_depth.txt"
    K_depth = read_matrix(depth_intrinsics)[:3, :3] if depth_intrinsics.is_file() else None
    files = [file for file in (folder / "color").iterdir() if file.suffix.lower() in IMAGE_ENDINGS]
    if not files:
        raise InputError(f"{str(folder / 'color')!r} holds no photos.")
    photos = []
    for path in sorted(files, key=lambda file: natural_key(file.name)):
        pose, depth = folder / "pose" / f"{path.stem}.txt", folder / "depth" / f"{path.stem}.png"
        world_from_cam = rigid_pose(read_matrix(pose), f"The pose in {str(pose)!r}") if pose.is_file() else None
        depth_map = (
            DepthMap(partial(read_depth, depth, MILLIMETRES, none=NO_DEPTH), K_depth) if depth.is_file() else None
        )
        photos.append(PosedPhoto(path, K, world_from_cam, depth=depth_map))
    return posed_scene(photos, image_size=image_size, metric=True, source="ScanNet", progress=progress)
