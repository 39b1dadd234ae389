"""BigBIRD: household goods on a turntable, and the mesh that was made of its depth cameras."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..layouts.frame_choice import whole_option
from ..layouts.tree import find_scenes
from ..layouts.turntable_rig import first_mesh, first_missing, turntable_task
from ..protocols.object_mesh import ObjectMesh
from ..task import Task

OBJECTS = (
    "advil_liqui_gels",
    "aunt_jemima_original_syrup",
    "bumblebee_albacore",
    "cholula_chipotle_hot_sauce",
    "crest_complete_minty_fresh",
    "expo_marker_red",
    "hersheys_bar",
    "honey_bunches_of_oats_honey_roasted",
    "honey_bunches_of_oats_with_almonds",
    "hunts_sauce",
    "mahatma_rice",
    "nature_valley_granola_thins_dark_chocolate",
    "nature_valley_sweet_and_salty_nut_almond",
    "nature_valley_sweet_and_salty_nut_cashew",
    "nutrigrain_harvest_blueberry_bliss",
    "pepto_bismol",
    "pringles_bbq",
    "progresso_new_england_clam_chowder",
    "quaker_chewy_low_fat_chocolate_chunk",
    "red_bull",
    "softsoap_white",
    "spongebob_squarepants_fruit_snaks",
    "vo5_tea_therapy_healthful_green_tea_smoothing_shampoo",
)
"""Our choice: those of its 125 objects that the Active Vision Dataset (Ammirato et al. 2017) has in its scenes, but for
transparent ones (bottles of glass, clear soap), which the depth cameras that made the meshes hardly see."""

CAMERA = "NP3"
MESHES = (
    "textured_meshes/optimized_poisson_texture_mapped_mesh.ply",
    "textured_meshes/optimized_poisson_texture_mapped_mesh.obj",
    "meshes/poisson.ply",
)

_SOURCE = "ours: nobody defines reconstruction from the photos of the rig; distances as in Knapitsch et al. 2017"
_NOTE = (
    f"Photos of {CAMERA}, the camera in the middle of the quarter circle, one every {{step}} degrees of the table. The "
    "reference is the Poisson mesh, in the frame of the turntable; it was made of the rig's depth cameras, and is no "
    "better than these. K is a pinhole: the small distortion of the lens (NP3_rgb_d) is left out."
)


class BigBird(Benchmark):
    """Singh et al. 2014."""

    name: ClassVar[str] = "bigbird"
    title: ClassVar[str] = "BigBIRD"
    about: ClassVar[About] = About(
        homepage="https://rll.berkeley.edu/bigbird/",
        licence="see the homepage",
        paper="Singh, Sha, Narayan, Achim, Abbeel: BigBIRD: A Large-Scale 3D Database of Object Instances, ICRA 2014",
        layout="ROOT/advil_liqui_gels/           rgbd.tgz and the processed meshes, and so for each object\n"
        f"     {CAMERA}_0.jpg, ...\n"
        f"     calibration.h5, poses/NP5_0_pose.h5, ..., masks/{CAMERA}_0_mask.pbm, ...\n"
        + "".join(f"     {'or ' if number else ''}{name}\n" for number, name in enumerate(MESHES)).rstrip("\n"),
        layout_source="Singh et al. 2014 and the archives' own names, as the scripts of others read them: "
        "chenxi-wang/ycb-scripts:ycb_generate_point_cloud.py for the same rig",
    )
    settings: ClassVar[Mapping[str, Setting]] = {
        "mesh": Setting(
            "Mesh of 24 photos", ObjectMesh(), _SOURCE, _NOTE.format(step=15), {"camera": CAMERA, "step": 15}
        ),
        "mesh-sparse": Setting(
            "Mesh of 8 photos", ObjectMesh(), _SOURCE, _NOTE.format(step=45), {"camera": CAMERA, "step": 45}
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """See `Benchmark`."""
        step = whole_option(self.settings[setting], "step")
        return find_scenes(self, root, OBJECTS, only, lambda name: first_missing(root / name, CAMERA, step, MESHES))

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """See `Benchmark`."""
        if (mesh := first_mesh(root / scene, MESHES)) is None:
            raise InputError(f"{str(root / scene)!r} has no {' and no '.join(MESHES)}. Unpack this object again.")
        return turntable_task(root / scene, CAMERA, whole_option(self.settings[setting], "step"), mesh)
