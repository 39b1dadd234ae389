"""Scenes while there is still work to do: rough ones, for people to watch as they grow."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pointmap.alignment import Alignment
from pointmap.kept_pixels import masked_group
from pointmap.posing import pose_views
from pointmap.scene import Group, Scene
from pointmap.scene_maker import SceneMaker

SceneProgress = Callable[[str, int, int, Scene | None], None]

_SHARE = 0.15
"""Of the time since the object was made that may go into scenes; what their receiver does with them included."""
_FIRST_GROUPS = 2
"""The first scene is of so few predictions, and there at once; it does not count in `_SHARE`."""
_BASE, _SECONDS = 10, 0.005
"""What a scene costs: so many seconds per prediction, and as for so many more. Seconds are measured from then on."""


class EarlyScenes:
    """A progress callback of stages that adds scenes of what is predicted so far, as often as they cost little.

    They are starts of the alignment: averages of what predictions say of each other, without matches. Photos that
    no prediction ties to the others yet are not registered, and have depth 0.
    """

    def __init__(self, progress: SceneProgress, make: SceneMaker, *, seed: int) -> None:
        self._progress, self._make, self._seed = progress, make, seed
        self._groups: list[Group] = []
        self._used = 0
        self._tried = self._begun = False
        self._born = time.perf_counter()
        self._spent, self._each = 0.0, _SECONDS

    def add(self, groups: Sequence[Group]) -> None:
        """More predictions."""
        self._groups += [masked_group(group, self._make.keep) for group in groups]

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Pass on, with a scene if it is time for one."""
        now = time.perf_counter()
        groups = list(self._groups) if self._begun else self._groups[-_FIRST_GROUPS:]
        size = _BASE + len(groups)
        affordable = not self._tried or self._spent + self._each * size <= _SHARE * (now - self._born)
        if len(self._groups) == self._used or not affordable:
            self._progress(stage, done, total, None)
            return
        scene = self._scene(groups)
        self._progress(stage, done, total, scene)
        self._used = len(groups) if scene is not None else len(self._groups)
        if self._tried:
            seconds = time.perf_counter() - now
            self._spent, self._each = self._spent + seconds, seconds / size
        self._tried, self._begun = True, self._begun or scene is not None

    def show(self, stage: str, alignment: Alignment) -> None:
        """Pass on the scene of a stage that is over."""
        self._progress(stage, 1, 1, self._make(_zero_where_unknown(alignment), {"early": True}))

    def _scene(self, groups: list[Group]) -> Scene | None:
        """A scene; None where the predictions do not tell one."""
        priors = self._make.priors
        shapes = [(view.image.shape[0], view.image.shape[1]) for view in self._make.views]
        try:
            posed = pose_views(
                groups,
                [],
                shapes,
                priors.exact,
                start=priors.start,
                beside=priors.beside,
                refine="none",
                seed=self._seed,
            )
            scene = self._make(_zero_where_unknown(posed.alignment), {"early": True, "pairs": len(groups)})
        except (ValueError, RuntimeError, MemoryError):
            return None  # The next predictions may tell more; if not, the alignment of all will say what is wrong.
        return scene if scene.registered.sum() >= min(2, len(shapes)) else None


def _zero_where_unknown(alignment: Alignment) -> Alignment:
    return replace(alignment, depths=[np.nan_to_num(depth, posinf=0.0, neginf=0.0) for depth in alignment.depths])
