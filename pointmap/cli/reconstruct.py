"""`pointmap reconstruct`: photos in, a folder with the scene out."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


def reconstruct(
    photos: Positional[tuple[str, ...]],
    output: Annotated[Path, arg(aliases=["-o"])] = Path("scene"),
    model: str = "small",
    image_size: int | None = None,
    pairs: str = "auto",
    shared_focal: bool = False,
    refine: Literal["align", "none"] = "align",
    cameras: Path | None = None,
    masks: Path | None = None,
    device: str | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    cache: Path | None = None,
    min_confidence: float | None = None,
    seed: int = 0,
    quiet: Annotated[bool, arg(aliases=["-q"])] = False,
) -> None:
    """Reconstruct a 3D scene from photos: cameras, depths, a coloured cloud and a mesh.

    Args:
        photos: A folder, a zip, files or globs. Unreadable files are skipped and named.
        output: Folder for the results; files of an earlier run in it are replaced.
        model: A bundled name, hub id, folder or file; `pointmap models` lists what can be loaded.
        image_size: Long side of the working images in pixels; default what the network was trained for.
        pairs: Which photos meet: auto, complete, window-N, log-window-N or one-to-all-N.
        shared_focal: All photos were taken with one focal length.
        refine: 'none' keeps the first estimate instead of optimising over all pairs.
        cameras: A cameras.json with known intrinsics and poses (those that are there are kept as they are).
        masks: Folder with one mask per photo, of the same stem; non-zero pixels are kept.
        device: cpu or cuda; default cuda where there is one.
        precision: Of the network; auto takes bfloat16 where the hardware has it.
        cache: Folder in which predictions are kept. By default they are kept in the output folder until the run ends,
            so that an interrupted one continues.
        min_confidence: Points below it are left out of cloud and mesh; default by their distribution.
        seed: Of everything random.
        quiet: Show no progress and no summary.
    """
    from pointmap.errors import InputError

    if not photos:
        raise InputError("No photos given. Name a folder, a zip, files or a glob: pointmap reconstruct photos/ -o scene")
    if output.exists() and not output.is_dir():
        raise InputError(f"The output {str(output)!r} is a file. Name a folder (it may exist): -o scene")

    import shutil

    from pointmap.export.folder import write_outputs
    from pointmap.pipeline import reconstruct as run

    own_cache = output / "cache"
    scene = run(
        photos[0] if len(photos) == 1 else list(photos),
        model=model,
        image_size=image_size,
        pairs=pairs,
        shared_focal=shared_focal,
        refine=refine,
        cameras=cameras,
        masks=masks,
        device=device,
        precision=precision,
        cache=cache or own_cache,
        progress=not quiet,
        seed=seed,
    )
    written = write_outputs(scene, output, min_confidence=min_confidence)
    if cache is None:
        shutil.rmtree(own_cache, ignore_errors=True)
    if not quiet:
        _summarise(scene, written)
