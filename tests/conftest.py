"""What every test may use. Shapes in annotations are checked while the tests run."""

from pathlib import Path

import pytest
import torch

try:
    from jaxtyping import install_import_hook

    install_import_hook(
        [
            "pointmap.geometry",
            "pointmap.scene",
            "pointmap.alignment",
            "pointmap.images",
            "pointmap.pairs",
            "pointmap.fusion",
            "pointmap.export",
            "pointmap.readers",
        ],
        "beartype.beartype",
    )
except ImportError:  # the shape check is a bonus of the development environment
    pass

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Small files of numbers of the public reference, in every clone."""
    return GOLDEN


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The developers' folder with real photos and the large reference files; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the developers' folder ../shared, which is not here")
    return SHARED


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
