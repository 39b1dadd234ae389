"""What a scene knows of each photo, as pictures."""

from typing import Literal, Unpack, get_args

from pointmap.scene import Keep, Scene

Kind = Literal["photo", "depth", "confidence", "normals", "matches"]
KINDS = get_args(Kind)


def picture(scene: Scene, index: int, kind: Kind, **keep: Unpack[Keep]) -> bytes:
    """A JPEG, all kinds of one size, upright; what is not kept is grey.

    Raises:
        IndexError, ValueError: There is no such photo or kind.
    """
    raise NotImplementedError
