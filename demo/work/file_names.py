"""Between the files that photos lie in here and the names that visitors know them by."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointmap.errors import InputError
from pointmap.scene import Scene


class FileNames:
    """Of one run."""

    def __init__(self, photos: Sequence[dict[str, Any]]) -> None:
        """
        Args:
            photos: Entries as jobs take them: "file" and "name".
        """
        files = [Path(photo["file"]) for photo in photos]
        self._names = {file.name: str(photo["name"]) for file, photo in zip(files, photos, strict=True)}
        folders = "|".join(re.escape(f"{folder}/") for folder in {file.parent for file in files})
        known = "|".join(re.escape(name) for name in self._names)
        # Not within longer words: p1.jpg is no part of p11.jpg.
        self._found = re.compile(rf"(?:{folders})?(?<![\w.-])({known})(?![\w-])")

    def in_words(self, text: str) -> str:
        """The text with names instead of files."""
        return self._found.sub(lambda found: self._names[found[1]], text)

    def in_scene(self, scene: Scene) -> Scene:
        """The scene, named and reported as visitors know it."""
        names = tuple(self._names.get(name, name) for name in scene.names)
        return replace(scene, names=names, report=self._in_values(scene.report))

    @contextmanager
    def in_errors(self) -> Iterator[None]:
        """Messages for visitors name their photos, and no folder of this machine."""
        try:
            yield
        except InputError as error:
            raise InputError(self.in_words(str(error))) from error

    def _in_values(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.in_words(value)
        if isinstance(value, dict):
            return {self._in_values(key): self._in_values(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._in_values(item) for item in value]
        return value
