"""Neural RGB-D: nine synthetic rooms with exact depth; point maps and surfaces."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from pointmap.errors import InputError
from pointmap.geometry.conventions import OPENGL_FROM_OPENCV
from pointmap.readers.posed import rigid_pose

from ..benchmark import About, Benchmark, Setting
from ..layouts.depth_maps import depth_picture
from ..layouts.frame_choice import shuffled, strided, whole_option
from ..layouts.photo_files import photo_size
from ..layouts.tree import find_scenes, read_numbers, require_file
from ..protocols.fused_surface import FusedSurface
from ..protocols.points import PointMaps
from ..task import Inputs, Task, Truth

SCENES = (
    "breakfast_room",
    "complete_kitchen",
    "green_room",
    "grey_white_room",
    "kitchen",
    "morning_apartment",
    "staircase",
    "thin_geometry",
    "whiteroom",
)
"""Those of neural_rgbd_data.zip on which Spann3R, CUT3R and Pi3 evaluate."""

MESH = "gt_mesh_culled.ply"

_FARTHEST = 10.0
"""Metres; what lies beyond is unknown, as in the readers of Spann3R and CUT3R."""

_NOTE = (
    "True depth is depth/ (depth_filtered/ and depth_with_noise/ imitate a sensor). The focal length is that of "
    "focal.txt, the principal point (320, 240) of pixels counted from the centre of the first, as benchmarks write it. "
    "Poses are those of poses.txt, turned from OpenGL's axes."
)
_WHOLE = (
    " The source crops photos before methods see them; here methods get the whole photo, and true maps are cropped."
)


class NeuralRgbd(Benchmark):
    """Azinovic et al. 2022."""

    name: ClassVar[str] = "nrgbd"
    title: ClassVar[str] = "Neural RGB-D"
    about: ClassVar[About] = About(
        homepage="https://github.com/dazinovic/neural-rgbd-surface-reconstruction",
        licence="of the scenes, by their artists: CC BY, and CC0 for complete_kitchen and morning_apartment",
        paper="Azinovic, Martin-Brualla, Goldman, Niessner, Thies: Neural RGB-D Surface Reconstruction, CVPR 2022",
        layout="ROOT/breakfast_room/                 neural_rgbd_data.zip, and so for each scene\n"
        "     images/img0.png, img1.png, ...\n"
        "     depth/depth0.png, depth1.png, ...  millimetres\n"
        "     focal.txt, poses.txt\n"
        f"     {MESH}                for tsdf: http://kaldir.vc.in.tum.de/neural_rgbd/meshes.zip,\n"
        "                                       here or unpacked to ROOT/meshes/breakfast_room/",
        layout_source="dazinovic/neural-rgbd-surface-reconstruction:README.md, "
        "HengyiWang/spann3r:spann3r/datasets/nrgbd.py, JingwenWang95/go-surf:README.md",
        size="7.25 GB",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "points-sparse": Setting(
            "Point maps, every 500th frame (Pi3)",
            PointMaps(first="umeyama", icp=0.1, size=(518, 388)),
            "yyfz/Pi3@evaluation:mv_recon/eval.py, :configs/data/mv_recon.yaml",
            _NOTE,
            {"stride": 500},
        ),
        "points-dense": Setting(
            "Point maps, every 100th frame (Pi3)",
            PointMaps(first="umeyama", icp=0.1, size=(518, 388)),
            "yyfz/Pi3@evaluation:mv_recon/eval.py, :configs/data/mv_recon.yaml",
            _NOTE,
            {"stride": 100},
        ),
        "points-cut3r": Setting(
            "Point maps, every 500th frame (CUT3R)",
            PointMaps(first="normalised", icp=0.1, size=(512, 384), crop=224),
            "CUT3R/CUT3R:eval/mv_recon/launch.py",
            _NOTE,
            {"stride": 500},
        ),
        "points-spann3r": Setting(
            "Point maps, every 40th frame (Spann3R)",
            PointMaps(first="normalised", icp=0.1, size=(224, 224)),
            "HengyiWang/spann3r:eval.py, :spann3r/datasets/nrgbd.py",
            _NOTE + _WHOLE,
            {"stride": 40},
        ),
        "tsdf": Setting(
            "Fused surface of 100 frames",
            FusedSurface(voxel=4 / 512, truncation=0.04, threshold=0.05, down_sample=4 / 512),
            "ours: the settings of Depth Anything 3's bench for 7-Scenes, which has no Neural RGB-D",
            "100 frames as that bench takes them of other sets (random.seed(42), shuffle, sort). The reference is the "
            "culled mesh. SpatialBench scores frames of its own with a voxel of 2 cm: `spatialbench`, `fscore`. "
            + _NOTE,
            {"limit": 100},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        files = ("images/img0.png", "depth/depth0.png", "focal.txt", "poses.txt")

        def missing(scene: str) -> str | None:
            wanted = [root / scene / file for file in files] + ([_mesh(root, scene)] if setting == "tsdf" else [])
            return next((str(path.relative_to(root)) for path in wanted if not path.is_file()), None)

        return find_scenes(self, root, SCENES, only, missing)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`. A photo whose pose is lost (NaN in poses.txt) has a depth, but no pose."""
        chosen, folder = self.settings[setting], root / scene
        count = sum(1 for _ in (folder / "images").glob("img*.png"))
        if setting == "tsdf":
            frames = shuffled(count, whole_option(chosen, "limit"))
        else:
            frames = strided(count, whole_option(chosen, "stride"))
        photos = tuple(require_file(folder / "images" / f"img{frame}.png", f"frame {frame}") for frame in frames)
        if not photos:
            raise InputError(f"No img*.png in {str(folder / 'images')!r}. Unpack this scene again.")
        width, height = photo_size(photos[0])
        focal = float(read_numbers(folder / "focal.txt", (1,), "the focal length in pixels")[0])
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        poses = _read_poses(folder / "poses.txt")
        if len(poses) < count:
            raise InputError(f"{str(folder / 'poses.txt')!r} has {len(poses)} poses for {count} photos.")
        truth = Truth(
            np.repeat(K[None], len(frames), 0),
            poses[frames],
            tuple(depth_picture(folder / "depth" / f"depth{i}.png", 0.001, largest=_FARTHEST) for i in frames),
            mesh=_mesh(root, scene) if setting == "tsdf" else None,
        )
        return Task(scene, Inputs(photos, "video"), truth)


def _mesh(root: Path, scene: str) -> Path:
    """Where it is, or else where it should be."""
    apart = root / "meshes" / scene / MESH
    return apart if apart.is_file() else root / scene / MESH


def _read_poses(path: Path) -> np.ndarray:
    """(n, 4, 4) world_from_cam, OpenCV axes, NaN where lost; the file has four lines a pose, of OpenGL's cameras."""
    matrices = read_numbers(path, (-1, 4, 4), "poses")
    lost = np.full((4, 4), np.nan)
    poses = []
    for index, matrix in enumerate(matrices):
        pose = rigid_pose(matrix, f"Pose {index} in {str(path)!r}")
        poses.append(lost if pose is None else pose @ OPENGL_FROM_OPENCV)
    return np.stack(poses) if poses else np.empty((0, 4, 4))
