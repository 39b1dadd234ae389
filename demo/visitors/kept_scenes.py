"""Kept scenes in the server's memory: the few that were asked for last, for a scene of many photos takes much."""

import threading
from collections import OrderedDict
from pathlib import Path

from pointmap.demo.visitors.scaling import scaled
from pointmap.scene import Scene

Stamp = tuple[int, int, int]
"""Of a file: another one means another content."""


def stamp(file: Path) -> Stamp | None:
    """None where there is no file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class KeptScenes:
    """Scenes by their files, read again when these change. Safe to be asked from many threads."""

    def __init__(self, most_bytes: int = 1_000_000_000) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Path, tuple[tuple[Stamp, float, bool | None], Scene, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, file: Path, factor: float = 1.0, metric: bool | None = None) -> Scene | None:
        """The scene of a scene.npz in units of which `factor` make one of its own; None where there is no file.

        Args:
            metric: Whether that unit is a metre; None: as the file says.

        Raises:
            InputError: The file is damaged.
        """
        with self._lock:  # two who ask for the same scene must not both read it
            now = stamp(file)
            if now is None:
                self._entries.pop(file, None)
                return None
            wanted = now, factor, metric
            if file in self._entries and self._entries[file][0] == wanted:
                self._entries.move_to_end(file)
                return self._entries[file][1]
            scene = Scene.load(file)
            if factor != 1 or metric is not None:
                scene = scaled(scene, factor, scene.metric if metric is None else metric)
            self._entries[file] = wanted, scene, _size(scene)
            self._entries.move_to_end(file)
            while len(self._entries) > 1 and sum(size for *_, size in self._entries.values()) > self._most_bytes:
                self._entries.popitem(last=False)
            return scene

    def forget(self, file: Path) -> None:
        """Free the memory of a scene that is gone."""
        with self._lock:
            self._entries.pop(file, None)


def _size(scene: Scene) -> int:
    maps = [*scene.depths, *scene.confidences, *scene.colors, *(scene.sky or [])]
    return sum(values.nbytes for values in maps)
