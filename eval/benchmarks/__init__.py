"""Every benchmark, by name; its file is imported when it is asked for."""

import importlib
from collections.abc import Mapping

from pointmap.errors import InputError

from ..benchmark import Benchmark

FILES: Mapping[str, tuple[str, str]] = {
    "procedural": ("procedural", "Procedural"),
    "photos": ("photos", "Photos"),
    "7scenes": ("seven_scenes", "SevenScenes"),
    "dtu": ("dtu", "Dtu"),
    "eth3d": ("eth3d", "Eth3d"),
    "co3d": ("co3d", "Co3d"),
    "tum": ("tum_rgbd", "TumRgbd"),
    "scannet": ("scannet", "ScanNet"),
    "nrgbd": ("nrgbd", "NeuralRgbd"),
    "scannetpp": ("scannetpp", "ScanNetPP"),
    "re10k": ("realestate10k", "RealEstate10K"),
    "sintel": ("sintel", "Sintel"),
    "bonn": ("bonn", "Bonn"),
    "kitti": ("kitti", "Kitti"),
    "nyuv2": ("nyuv2", "NyuV2"),
    "tum-dynamics": ("tum_dynamics", "TumDynamics"),
    "robustmvd": ("robustmvd", "RobustMvd"),
    "mapfree": ("map_free", "MapFreeRelocalisation"),
    "cambridge": ("cambridge", "Cambridge"),
    "aachen": ("aachen", "Aachen"),
    "inloc": ("inloc", "InLoc"),
    "tanks": ("tanks_and_temples", "TanksAndTemples"),
    "blendedmvs": ("blendedmvs", "BlendedMvs"),
    "ycb": ("ycb", "Ycb"),
    "bigbird": ("bigbird", "BigBird"),
    "spatialbench": ("spatialbench", "SpatialBench"),
}
"""Name on the command line -> file here and its class."""


def get_benchmark(name: str) -> Benchmark:
    """An instance.

    Raises:
        InputError: There is none of this name.
    """
    if name not in FILES:
        raise InputError(f"No benchmark {name!r}. There are: {', '.join(FILES)}. `pointmap benchmarks` describes them.")
    file, class_name = FILES[name]
    return getattr(importlib.import_module(f".{file}", __name__), class_name)()
