"""COLMAP as a method: structure from motion on SIFT, incremental or global."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pointmap.errors import InputError
from pointmap.extras import is_installed

from ..code import source_digest
from ..estimate import Estimate
from ..task import Inputs
from . import colmap_process
from .colmap_process import ColmapRequest, run_colmap_process
from .given_world import given_matrix, in_given_world
from .method import Method
from .options import named


class Colmap(Method):
    """COLMAP's own features, matches and mapping with their default options, on the CPU, through pycolmap.

    Given intrinsics are kept as pinholes (by the global mapper only where all are given); otherwise focal lengths are
    from EXIF where COLMAP finds them. Photos in no order are matched exhaustively, videos sequentially. Of several
    models the largest counts: other photos are not registered. Where poses are given, its world is moved to theirs. It
    has no depths; the pinhole K leaves out the distortion that it finds.
    """

    gives = frozenset({"poses"})

    def __init__(
        self,
        mapper: Literal["incremental", "global"] = "incremental",
        matching: Literal["auto", "exhaustive", "sequential"] = "auto",
        camera_model: Literal["", "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV"] = "",
        time_limit: float = 3600.0,
        threads: int = 1,
    ) -> None:
        """
        Args:
            mapper: "global" is GLOMAP, as COLMAP 4 has it.
            camera_model: Of cameras that are not given; "" is COLMAP's default.
            time_limit: Seconds for one scene, after which it has failed.
        """
        if not (time_limit > 0 and threads > 0):
            raise InputError(f"colmap: time_limit={time_limit}, threads={threads}: both must be positive.")
        if not is_installed("pycolmap"):
            raise InputError("The COLMAP baseline needs pycolmap. Install it with: pip install 'pointmap[colmap]'")
        changed = {"mapper": mapper, "matching": matching, "camera_model": camera_model}
        usual = {"mapper": "incremental", "matching": "auto", "camera_model": ""}
        self.name = named("COLMAP", {key: value for key, value in changed.items() if value != usual[key]})
        self._mapper: Literal["incremental", "global"] = mapper
        self._matching, self._camera_model = matching, camera_model
        self._time_limit, self._threads = time_limit, threads

    def settings(self) -> dict[str, Any]:
        """See `Method`."""
        return {
            "mapper": self._mapper,
            "matching": self._matching,
            "camera_model": self._camera_model,
            "time_limit": self._time_limit,
            "threads": self._threads,
            # Not by importing it: it would take over this process's signals.
            "pycolmap": version("pycolmap"),
            "code": _own_code(),
        }

    def estimate(self, inputs: Inputs, seed: int) -> Estimate:
        """See `Method`.

        Raises:
            RuntimeError: COLMAP died; says its last words.
            TimeoutError: It took longer than the limit.
        """
        count = len(inputs.photos)
        world_from_cam, intrinsics = np.full((count, 4, 4), np.nan), np.full((count, 3, 3), np.nan)
        if inputs.kind == "single":
            world_from_cam[:] = np.eye(4)  # of a photo by itself it can say no more
            return Estimate(in_given_world(world_from_cam, inputs), inputs.intrinsics)
        known = [given_matrix(inputs.intrinsics, index) for index in range(count)]
        ordered = inputs.kind == "video" and self._matching == "auto"
        request = ColmapRequest(
            photos=tuple(str(photo.resolve()) for photo in inputs.photos),
            subsets=(tuple(range(count)),),
            threads=self._threads,
            seed=seed,
            mapper=self._mapper,
            matching="sequential" if ordered or self._matching == "sequential" else "exhaustive",
            camera_model=self._camera_model,
            intrinsics=tuple(None if K is None else (K[0, 0], K[1, 1], K[0, 2], K[1, 2]) for K in known),
        )
        result = run_colmap_process(request, self._time_limit)
        if not result.models:
            raise result.error or RuntimeError("COLMAP told nothing.")
        (model,) = result.models
        for place, photo in model.photos.items():
            world_from_cam[place], intrinsics[place] = photo.world_from_cam, photo.intrinsics
        notes = {
            "peak_gib": model.peak_gib,
            "registered": len(model.photos),
            "models": model.models,
            "known_focals": model.exif,
        }
        return Estimate(in_given_world(world_from_cam, inputs), intrinsics, notes=notes)


def _own_code() -> str:
    return source_digest([Path(__file__), Path(colmap_process.__file__)])
