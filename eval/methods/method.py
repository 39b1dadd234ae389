"""What a method is, and how it is named on the command line."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..estimate import Estimate
from ..task import Inputs


class Method(ABC):
    """Anything that estimates. One instance serves many scenes in one process, one after the other."""

    name: str
    """In tables and folders, with its options: `pointmap-small`, `pointmap-small+poses=network`, `COLMAP`."""

    gives: ClassVar[frozenset[str]]
    """Of "poses", "depths", "points", "mesh", "localization": see `Protocol.needs`."""

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
        raise NotImplementedError

    def build(self, *, network: str = "small", device: str | None = None, threads: int = 1) -> Method:
        """The method; `network` and `device` are those of the command line, which options of the same name replace.

        Raises:
            InputError: An unknown option or value, an extra that is not installed, a folder that is not there.
        """
        raise NotImplementedError
