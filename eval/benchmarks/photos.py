"""Any sets of real photos with true cameras: folders with a `cameras.json`, as `pointmap reconstruct` writes it.

The example photos that come along are of this layout, and so are the sets of `eval/studies`.
"""

from pathlib import Path

import numpy as np

from pointmap.errors import InputError

from ..benchmark import About, Benchmark, Setting
from ..ground_truth import load_ground_truth
from ..protocols.ours import POSES_AND_DEPTH
from ..subsets import sparse_subsets
from ..task import Task

FEW, MANY = 12, 24
SUBSET_SIZES, SUBSETS, SUBSET_SEED = (3, 4, 6), 3, 0

_OURS = "ours: `eval/protocols/ours.py`"
_ALL = "at most {count} photos of a set"
_CHOICE = "evenly chosen, first and last included; only photos with a pose"


class Photos(Benchmark):
    """See the module."""

    name = "photos"
    title = "Real photos"
    about = About(
        homepage="your own photos, or demo/photos of this project",
        licence="that of the photos",
        paper="none",
        layout=(
            "SET/cameras.json     images: [{file, width, height, fx, fy, cx, cy, cam_from_world, depth, depth_scale}]\n"
            "SET/...              the files it names; depth and depth_scale where there are depth maps"
        ),
        layout_source="ours: what `pointmap reconstruct` writes",
    )
    settings = {
        "few": Setting(_ALL.format(count=FEW), POSES_AND_DEPTH, _OURS, _CHOICE, options={"photos": FEW}),
        "many": Setting(_ALL.format(count=MANY), POSES_AND_DEPTH, _OURS, _CHOICE, options={"photos": MANY}),
        "sparse": Setting(
            f"{SUBSETS} subsets of each of {', '.join(map(str, SUBSET_SIZES))} photos with little overlap",
            POSES_AND_DEPTH,
            "ours: `eval/subsets.py`",
            options={"sizes": SUBSET_SIZES, "subsets": SUBSETS, "seed": SUBSET_SEED, "of": MANY},
        ),
    }

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Names of the sets; of subsets, `fox+3-0`."""
        if not root.is_dir():
            raise InputError(f"No folder {str(root)!r}. --root is a folder of sets:\n{self.about.layout}")
        found = sorted(path.parent.name for path in root.glob("*/cameras.json"))
        if not found:
            raise InputError(f"No set of photos in {str(root)!r}: expected\n{self.about.layout}")
        names = found if setting != "sparse" else [name for set_name in found for name in _subsets(root / set_name)]
        if unknown := [name for name in only if name not in names]:
            raise InputError(f"No set {', '.join(unknown)} in {str(root)!r}. There are: {', '.join(names)}")
        return tuple(name for name in names if name in only) if only else tuple(names)

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """The photos of a set that take part."""
        set_name, _, part = scene.partition("+")
        truth = load_ground_truth(root / set_name)
        if missing := [file for file in truth.files if not file.is_file()]:
            raise InputError(f"No photo {str(missing[0])!r}, which {set_name}/cameras.json names.")
        if setting == "sparse":
            return truth.select(_subsets(root / set_name)[f"{set_name}+{part}"]).task(scene)
        return truth.spread(FEW if setting == "few" else MANY).task(scene)


def _subsets(folder: Path) -> dict[str, np.ndarray]:
    """Indices into all photos of a set."""
    truth = load_ground_truth(folder)
    candidates = truth.spread(MANY)
    place = {file: index for index, file in enumerate(truth.files)}
    return {
        f"{folder.name}+{size}-{number}": np.array([place[candidates.files[index]] for index in subset])
        for size in SUBSET_SIZES
        if size < len(candidates.files)
        for number, subset in enumerate(sparse_subsets(candidates, size, SUBSETS, SUBSET_SEED))
    }
