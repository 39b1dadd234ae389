"""What a wheel would hold."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "pointmap").rglob("__init__.py")}
    beside = [
        path.parent.relative_to(ROOT).parts for name in ("demo", "eval") for path in (ROOT / name).rglob("__init__.py")
    ]
    found |= {".".join(("pointmap", *parts)) for parts in beside}

    assert set(listed) == found | {"pointmap.weights"}


def test_the_bundled_network_is_complete_and_small():
    folder = ROOT / "weights" / "small"

    assert {path.name for path in folder.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert (folder / "model.safetensors").stat().st_size <= 24 * 2**20
