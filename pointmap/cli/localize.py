"""`pointmap localize`: the poses of new photos in a finished scene."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


def localize(
    scene: Positional[Path],
    photos: Positional[tuple[str, ...]],
    output: Annotated[Path, arg(aliases=["-o"])] = Path("poses.json"),
    model: str = "small",
    intrinsics: tuple[float, float, float, float] | None = None,
    neighbours: int = 10,
    device: str | None = None,
    quiet: Annotated[bool, arg(aliases=["-q"])] = False,
) -> None:
    """Find where new photos were taken in a finished scene, which stays as it is.

    Args:
        scene: The folder that `pointmap reconstruct` wrote, or its scene.npz. Its original photos are used where they
            still are in their place.
        photos: A folder, a zip, files or globs. Unreadable files are named and left out.
        output: The file to write, of the format of the scene's cameras.json.
        model: A bundled name, hub id, folder or file; it chooses similar photos, and matches where keypoints do not
            suffice.
        intrinsics: Known fx, fy, cx and cy of all photos, in pixels of the upright originals, the centre of the first
            pixel being (0, 0); default those of the scene's photos of the same size, else by EXIF, else what fits.
        neighbours: Photos of the scene to match each with.
        device: cpu or cuda; default cuda where there is one.
        quiet: Show no progress, and no line per photo.
    """
    from contextlib import nullcontext

    import numpy as np

    from pointmap.errors import InputError
    from pointmap.localization import localize as run
    from pointmap.localization import write_localizations
    from pointmap.progress import ProgressBar
    from pointmap.scene import Scene

    if not photos:
        raise InputError("No photos given. Name files, a folder, a zip or a glob: pointmap localize scene/ new/*.jpg")
    K = None
    if intrinsics is not None:
        fx, fy, cx, cy = intrinsics
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    loaded = Scene.load(scene / "scene.npz" if scene.is_dir() else scene)
    with ProgressBar() if not quiet else nullcontext() as bar:
        found = run(loaded, list(photos), model=model, intrinsics=K, neighbours=neighbours, device=device, progress=bar)
    assert isinstance(found, list)
    written = write_localizations(loaded, found, output)
    if quiet:
        return
    for photo in found:
        if photo.registered:
            print(f"{photo.name}: {photo.num_inliers} of {photo.num_matches} matches agree")
        else:
            print(f"{photo.name}: not registered: {photo.reason}")
    print(f"Registered {sum(photo.registered for photo in found)} of {len(found)} photos. Wrote {written}")
