"""Packages that not everybody needs: imported where they are used, or else an error that says how to get them."""

import importlib
from importlib.util import find_spec
from types import ModuleType

from pointmap.errors import InputError


def require(package: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a package of an extra.

    Args:
        package: What to import.
        extra: The group of `pip install 'pointmap[...]'` that brings it.
        purpose: What needs it, as the beginning of a sentence: "The COLMAP bridge".

    Raises:
        InputError: It is not installed.
    """
    if not is_installed(package):
        raise InputError(f"{purpose} needs {package}. Install it with: pip install 'pointmap[{extra}]'")
    return importlib.import_module(package)


def is_installed(package: str) -> bool:
    """Whether a package could be imported; does not import it."""
    return find_spec(package) is not None
