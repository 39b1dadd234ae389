"""YCB objects: photos on a turntable, and the mesh that was made of its depth cameras."""

from collections.abc import Mapping
from typing import ClassVar

from ..benchmark import About, Setting
from ..layouts.turntable_rig import CAMERA, TurntableBenchmark, mesh_settings

OBJECTS = (
    "002_master_chef_can",
    "003_cracker_box",
    "004_sugar_box",
    "005_tomato_soup_can",
    "006_mustard_bottle",
    "007_tuna_fish_can",
    "008_pudding_box",
    "009_gelatin_box",
    "010_potted_meat_can",
    "011_banana",
    "019_pitcher_base",
    "021_bleach_cleanser",
    "024_bowl",
    "025_mug",
    "035_power_drill",
    "036_wood_block",
    "037_scissors",
    "040_large_marker",
    "051_large_clamp",
    "052_extra_large_clamp",
    "061_foam_brick",
)
"""Our choice: of the whole set the 21 of YCB-Video (Xiang et al., PoseCNN, RSS 2018)."""

MESHES = ("poisson/nontextured.ply", "poisson/textured.obj")

_REFERENCE = (
    "The reference is Berkeley's mesh (Poisson), the one in the frame of the turntable: Google's scans (google_16k) "
    "have a frame of their own whose relation to the photos is not published. It was made of the rig's depth cameras, "
    "and is no better than these."
)


class Ycb(TurntableBenchmark):
    """Calli et al. 2015."""

    name: ClassVar[str] = "ycb"
    title: ClassVar[str] = "YCB objects"
    about: ClassVar[About] = About(
        homepage="https://www.ycbbenchmarks.com/object-models/",
        licence="see the homepage",
        paper="Calli, Singh, Walsman, Srinivasa, Abbeel, Dollar: The YCB Object and Model Set: Towards Common "
        "Benchmarks for Manipulation Research, ICAR 2015",
        layout="ROOT/002_master_chef_can/        ..._berkeley_rgbd.tgz and ..._berkeley_meshes.tgz, and so for each "
        f"object\n      {CAMERA}_0.jpg, ...\n"
        f"     calibration.h5, poses/NP5_0_pose.h5, ..., masks/{CAMERA}_0_mask.pbm, ...\n"
        "     poisson/nontextured.ply     or poisson/textured.obj",
        layout_source="sea-bass/ycb-tools:download_ycb_dataset.py, chenxi-wang/ycb-scripts:ycb_generate_point_cloud.py",
    )
    settings: ClassVar[Mapping[str, Setting]] = mesh_settings(_REFERENCE)
    objects: ClassVar[tuple[str, ...]] = OBJECTS
    meshes: ClassVar[tuple[str, ...]] = MESHES
