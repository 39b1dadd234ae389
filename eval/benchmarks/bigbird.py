"""BigBIRD: household goods on a turntable, and the mesh that was made of its depth cameras."""

from collections.abc import Mapping
from typing import ClassVar

from ..benchmark import About, Setting
from ..layouts.turntable_rig import CAMERA, TurntableBenchmark, mesh_settings

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

MESHES = (
    "textured_meshes/optimized_poisson_texture_mapped_mesh.ply",
    "textured_meshes/optimized_poisson_texture_mapped_mesh.obj",
    "meshes/poisson.ply",
)

_REFERENCE = (
    "The reference is the Poisson mesh, in the frame of the turntable; it was made of the rig's depth cameras, and is "
    "no better than these."
)


class BigBird(TurntableBenchmark):
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
    settings: ClassVar[Mapping[str, Setting]] = mesh_settings(_REFERENCE)
    objects: ClassVar[tuple[str, ...]] = OBJECTS
    meshes: ClassVar[tuple[str, ...]] = MESHES
