"""What a worker process remembers between jobs: networks, and the last scene with its surface."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointmap.errors import InputError
from pointmap.models import Network
from pointmap.scene import Keep, Scene

if TYPE_CHECKING:
    import trimesh

    from pointmap.progress import ProgressCallback

_NETWORKS = 2


class Memory:
    """Of one process; the newest entries only."""

    def __init__(self) -> None:
        self._networks: dict[str, Network] = {}
        self._scene: tuple[object, Scene] | None = None
        self._surface: tuple[object, trimesh.Trimesh] | None = None

    def network(self, name: str, progress: "ProgressCallback | None" = None) -> Network | str:
        """A loaded network; the name itself where there is nothing to load ("classical")."""
        if name == "classical":
            return name
        network = self._networks.pop(name, None)
        if network is None:
            from pointmap.checkpoints import load_model

            while len(self._networks) >= _NETWORKS:
                self._networks.pop(next(iter(self._networks)))
            network = load_model(name, progress=progress)
        self._networks[name] = network
        return network

    def forget_scene(self) -> None:
        """Nothing but networks stays."""
        self._scene = self._surface = None

    def keep(self, result: Path, scene: Scene) -> None:
        """The scene that was just saved to `result/scene.npz`."""
        self._scene = _key(result), scene

    def scene(self, result: Path) -> Scene:
        """The kept scene, in its own scale.

        Raises:
            InputError: There is none.
        """
        key = _key(result)
        if self._scene is None or self._scene[0] != key:
            self.forget_scene()  # before the new one takes its memory
            self._scene = key, Scene.load(result / "scene.npz")
        return self._scene[1]

    def surface(
        self,
        result: Path,
        keep: Keep,
        *,
        texture: bool,
        target_faces: int,
        texture_size: int,
        watertight: bool,
        progress: "ProgressCallback | None" = None,
    ) -> "trimesh.Trimesh":
        """The surface of the kept scene, in its own scale; made anew only when a setting changed.

        Raises:
            InputError: There can be none.
        """
        settings: dict[str, Any] = {
            "texture": texture,
            "target_faces": target_faces,
            "texture_size": texture_size,
            "watertight": watertight,
        }
        scene = self.scene(result)
        key = _key(result), sorted(keep.items()), settings
        if self._surface is None or self._surface[0] != key:
            self._surface = None
            mesh = scene.mesh(**settings, progress=progress, **keep)
            if not len(mesh.faces):
                raise InputError("Too little is sure in these photos to make a surface of it.")
            self._surface = key, mesh
        return self._surface[1]


def _key(result: Path) -> object:
    """Tells one kept scene from another."""
    file = result / "scene.npz"
    try:
        state = file.stat()
    except OSError as error:
        raise InputError("There is no scene yet. Reconstruct one first.") from error
    return file, state.st_mtime_ns, state.st_ino


MEMORY = Memory()
