"""What is asked of photos before any of their pixels is needed."""

from pathlib import Path

from pointmap.errors import InputError

from .tree import require_file


def photo_size(path: Path) -> tuple[int, int]:
    """Width and height as stored.

    Raises:
        InputError: The file is missing or no picture.
    """
    from PIL import Image

    try:
        with Image.open(require_file(path, "a photo")) as image:
            return image.size
    except OSError as error:
        raise InputError(f"Cannot read the photo {str(path)!r}: {error}. Unpack this scene again.") from error


def numbered_photos(folder: Path, purpose: str, pattern: str = "*.png") -> list[Path]:
    """The files of a folder by name.

    Raises:
        InputError: The folder is missing or has none. `purpose` says what they are: "the frames of this sequence".
    """
    found = sorted(folder.glob(pattern))
    if not found:
        raise InputError(f"{str(folder)!r} has no {pattern}, which should be {purpose}. Unpack this scene again.")
    return found
