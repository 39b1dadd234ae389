"""What a method is, and how it is named on the command line."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointmap.errors import InputError

from ..estimate import Estimate
from ..task import Inputs
from . import KINDS, method_class
from .options import option_types, parse_options


class Method(ABC):
    """Anything that estimates. One instance serves many scenes in one process, one after the other."""

    name: str
    """In tables and folders, with its options: `pointmap-small`, `pointmap-small+poses=network`, `COLMAP`."""

    gives: frozenset[str]
    """Of "poses", "depths", "points", "mesh", "localization": see `Protocol.needs`."""

    @classmethod
    def options(cls) -> dict[str, Any]:
        """Names of the options that it has, with their types; of these `network`, `device` and `threads` are filled in
        where they are not given."""
        return option_types(cls.__init__)

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain values on which its results depend: options, a fingerprint of the weights, versions of libraries, the
        digest of our code where it takes part. Scenes are computed anew when they change."""

    @abstractmethod
    def estimate(self, inputs: Inputs, seed: int) -> Estimate:
        """Estimate one scene. Whatever it raises becomes the scene's failure."""


@dataclass(frozen=True)
class MethodSpec:
    """A method as text, which travels to other processes."""

    kind: str
    """`pointmap`, `colmap`, ..."""

    options: Mapping[str, str]
    """As written: `poses` -> `network`."""

    @staticmethod
    def parse(text: str) -> "MethodSpec":
        """From `kind` or `kind:name=value,name=value`.

        Raises:
            InputError: Not of this form, or no such kind: lists those that there are.
        """
        kind, separator, rest = text.strip().partition(":")
        if kind not in KINDS:
            raise InputError(
                f"Unknown method {kind!r}. Choose {', '.join(KINDS)}, with options as in 'pointmap:poses=network'."
            )
        options: dict[str, str] = {}
        for part in rest.split(",") if separator else []:
            name, equals, value = part.partition("=")
            if not (name.strip() and equals and value.strip()):
                raise InputError(f"{part!r} in {text!r} is no option. Write '{kind}:name=value,name=value'.")
            if name.strip() in options:
                raise InputError(f"{text!r} gives {name.strip()} twice.")
            options[name.strip()] = value.strip()
        return MethodSpec(kind, options)

    def build(self, *, network: str = "small", device: str | None = None, threads: int = 1) -> Method:
        """The method; `network` and `device` are those of the command line, which options of the same name replace.

        Raises:
            InputError: An unknown option or value, an extra that is not installed, a folder that is not there.
        """
        made: Any = method_class(self.kind)
        types = made.options()
        shared = {"network": network, "device": device, "threads": threads}
        values = {name: value for name, value in shared.items() if name in types}
        return made(**values | parse_options(self.kind, self.options, types))
