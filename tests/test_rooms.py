"""Which part of the library may know which: the picture in CONTRIBUTING.md, checked."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pointmap"
ROOMS = ("models", "pairs", "match", "alignment", "stereo", "fusion", "export", "sfm", "groups", "video")
BELOW = {"shapes", "errors", "progress", "extras", "atomic"}


def imported(file: Path, *, top_level_only: bool = False) -> set[str]:
    """Parts of pointmap that a file imports: the first name after `pointmap`."""
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("pointmap.")}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_not_know_each_other(room):
    others = set(ROOMS) - {room}
    for file in (PACKAGE / room).rglob("*.py"):
        assert not imported(file) & others, file.name


def test_geometry_knows_nothing_above_it():
    for file in (PACKAGE / "geometry").rglob("*.py"):
        assert imported(file) <= BELOW | {"geometry", "scene"}, file.name


def test_the_scene_knows_nothing_above_it_until_it_is_asked():
    assert imported(PACKAGE / "scene.py", top_level_only=True) <= BELOW | {"geometry"}


def test_only_the_command_line_stands_on_the_pipeline():
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).parts[0] not in ("cli", "__init__.py", "__main__.py"):
            assert "pipeline" not in imported(file), file.name
            assert "cli" not in imported(file), file.name
