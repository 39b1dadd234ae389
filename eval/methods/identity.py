"""The baseline that looks at nothing: cameras that never move, in front of a wall."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..estimate import Estimate
from ..task import Inputs, Task, Truth
from .given_world import given_matrix
from .method import Method


class Identity(Method):
    """Every camera is at the origin of the world (or where it was given), sees a wall at depth 1, and has a focal
    length of 1.2 times the photo's long side unless one was given.

    Localisation: a query is where its first neighbour was taken, which is what retrieval alone achieves; without
    neighbours, where the first photo of the map was.
    """

    name = "identity"
    gives = frozenset({"poses", "depths", "points", "localization"})

    def settings(self) -> dict[str, Any]:
        """See `Method`."""
        return {"version": 1}

    def estimate(self, inputs: Inputs, seed: int) -> Estimate:
        """See `Method`."""
        count = len(inputs.photos)
        nothing = Truth(np.full((count, 3, 3), np.nan), np.full((count, 4, 4), np.nan))
        still = Estimate.still(Task("still", inputs, nothing))
        assert still.intrinsics is not None
        intrinsics, world_from_cam = still.intrinsics.copy(), still.world_from_cam.copy()
        for index in range(count):
            K, pose = given_matrix(inputs.intrinsics, index), given_matrix(inputs.world_from_cam, index)
            intrinsics[index] = intrinsics[index] if K is None else K
            world_from_cam[index] = world_from_cam[index] if pose is None else pose
        the_map = [index for index in range(count) if index not in set(inputs.queries)]
        for place, query in enumerate(inputs.queries):
            near = inputs.neighbours[place] if inputs.neighbours else ()
            world_from_cam[query] = world_from_cam[(*near, *the_map)[0]]
        return replace(still, world_from_cam=world_from_cam, intrinsics=intrinsics)
