"""Rendered rooms with exact truth: the benchmark that needs no download. `pointmap eval` runs it.

Three levels, six scenes each, of 2, 4 and 8 photos: the renderer of the trainer with seeds and textures that no
training uses. What is rendered is kept, and rendered again when the recipe changes.
"""

from dataclasses import replace
from pathlib import Path

from pointmap.errors import InputError
from pointmap.train.habits import BENCHMARK, LENSES, TOUR, CameraSettings, Lens, Motion, Roll
from pointmap.train.random import Random
from pointmap.train.textures import make_textures
from pointmap.train.views import make_views

from ..benchmark import About, Benchmark, Setting
from ..ground_truth import load_ground_truth, write_set
from ..protocols.ours import POSES_AND_DEPTH
from ..task import Task

RECIPE = 1
"""Raised whenever scenes come out differently; figures of two recipes do not compare."""
LONG_SIDE = 640
TEXTURES, TEXTURE_SEED = 64, 9_191
SEED = 20_261_122
VIEWS = (2, 4, 8)
WORLDS = 2
"""Of each level and number of photos: one in landscape, one in portrait format."""

EASY = replace(
    TOUR,
    lenses=(Lens("phone", 1.0, (50, 75)),),
    motions=(
        Motion("around", 0.6, orbit_deg=(8, 20), lift=0.2, approach=0.05, aim_deg=3),
        Motion("along", 0.4, sideways=(0.1, 0.3), wander=0.02, aim_deg=3),
    ),
    rolls=(Roll("level", 1.0),),
    off_centre=0.0,
    min_overlap=0.5,
)
"""Small steps, much overlap."""

HARD = replace(
    BENCHMARK,
    lenses=LENSES,
    motions=(
        Motion("orbit", 0.5, orbit_deg=(25, 60), lift=0.35, approach=0.2, aim_deg=5),
        Motion("stroll", 0.3, wander=1.0, pan_deg=(10, 40), aim_deg=6),
        Motion("along", 0.2, sideways=(0.4, 1.0), wander=0.05, pan_deg=(5, 20), aim_deg=6),
    ),
    zoomed=0.0,
    min_overlap=0.12,
)
"""Wide baselines, large rotations, a little overlap."""

LEVELS: dict[str, CameraSettings] = {"easy": EASY, "medium": TOUR, "hard": HARD}


class Procedural(Benchmark):
    """See the module."""

    name = "procedural"
    title = "Procedural rooms"
    about = About(
        homepage="comes along: rendered by `pointmap.train`",
        licence="Apache-2.0",
        paper="none: this project",
        layout="nothing: scenes are rendered into the folder of results",
        layout_source="ours",
    )
    settings = {
        "poses-depth": Setting(
            "poses and depth, cameras unknown",
            POSES_AND_DEPTH,
            source="ours: `eval/protocols/ours.py`",
            note="The bundled networks learnt on rooms of the same generator (other seeds, other textures), which "
            "favours them over networks of others.",
            options={"recipe": RECIPE, "long_side": LONG_SIDE},
        )
    }
    needs_root = False

    def scenes(self, root: Path, setting: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """`easy-2views-0` and so on."""
        names = tuple(f"{level}-{views}views-{world}" for level in LEVELS for views in VIEWS for world in range(WORLDS))
        if unknown := [name for name in only if name not in names]:
            raise InputError(f"{self.title} has no scene {', '.join(unknown)}. It has: {', '.join(names)}")
        return tuple(name for name in names if name in only) if only else names

    def load(self, root: Path, scene: str, setting: str, scratch: Path) -> Task:
        """The scene, rendered into `scratch` unless it is there."""
        folder = scratch / f"recipe-{RECIPE}-{LONG_SIDE}px" / scene
        if not (folder / "cameras.json").is_file():
            level, views, world = scene.split("-")
            count = int(views.removesuffix("views"))
            render(folder, LEVELS[level], count, _seed(scene), portrait=world == "1", long_side=LONG_SIDE)
        return load_ground_truth(folder).task(scene)


def render(folder: Path, settings: CameraSettings, views: int, seed: int, *, portrait: bool, long_side: int) -> None:
    """Write one scene: photos, depths, and last its cameras.json."""
    short_side = round(long_side * 0.75)
    size = (long_side, short_side) if portrait else (short_side, long_side)
    texels = make_textures(TEXTURES, TEXTURE_SEED)
    write_set(make_views(views, size, Random(seed), texels, TEXTURES, settings=settings), folder)


def _seed(scene: str) -> int:
    """A scene keeps its own whatever other scenes there are."""
    level, views, world = scene.split("-")
    return SEED + 10_000 * list(LEVELS).index(level) + 100 * int(views.removesuffix("views")) + int(world)
