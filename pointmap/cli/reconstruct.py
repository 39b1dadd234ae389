"""`pointmap reconstruct`: photos in, a folder with the scene out."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from pointmap.scene import Scene


_CONTRADICTIONS = 3
"""Pairs that contradict the others are named up to this many."""


def reconstruct(
    photos: Positional[tuple[str, ...]],
    output: Annotated[Path, arg(aliases=["-o"])] = Path("scene"),
    fps: float = 2.0,
    model: str = "small",
    image_size: int | None = None,
    pairs: str = "auto",
    shared_focal: bool | None = None,
    masks: Path | None = None,
    depths: Path | None = None,
    depth_sigma: float | None = None,
    descriptor: str = "network",
    matcher: str = "sift",
    poses: Literal["auto", "network", "sfm"] = "auto",
    refine: Literal["ba", "align", "none"] = "ba",
    depth: Literal["auto", "network", "stereo"] = "auto",
    single_object: Annotated[bool, arg(name="object")] = False,
    mesh: bool = True,
    max_points: int | None = None,
    target_faces: int = 100_000,
    texture_size: int = 4096,
    mask_sky: bool = False,
    device: str | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    cache: Path | None = None,
    min_confidence: float | None = None,
    confidence_percentile: float | None = None,
    consistency: float | None = None,
    overwrite: bool = False,
    seed: int = 0,
    quiet: Annotated[bool, arg(aliases=["-q"])] = False,
) -> None:
    """Reconstruct a 3D scene from photos or a video: cameras, depths, a coloured cloud and a mesh.

    Args:
        photos: A folder, a zip, files or globs; videos, too (pip install 'pointmap[video]'). Unreadable files are
            skipped and named.
        output: Folder for the results.
        fps: Frames per second taken from videos, at most; of every video 100 at most. They go to OUTPUT/frames/.
        model: A bundled name, hub id, folder or file; `pointmap models` lists what can be loaded. 'classical' needs no
            network: keypoints and stereo.
        image_size: Long side of the working images in pixels; default what suits the network.
        pairs: Which photos meet: auto, complete, retrieval-N, window-N, log-window-N or one-to-all-N.
        shared_focal: True: all photos were taken with one focal length. False: each with one of its own. Default:
            photos of one size share theirs.
        masks: A folder of images, called and sized like the photos: non-zero pixels are kept, others take no part.
        depths: A folder of known depth maps, called like the photos: 16-bit images in millimetres, or .npy files in the
            unit that the scene shall have. Of some photos is enough.
        depth_sigma: How far off these may be, as a share: 0.02 for 2 %. Without it they are kept as they are.
        descriptor: What says which photos are alike: network, efficientnet or dinov2 (pip install 'pointmap[match]').
        matcher: What finds exact matches: sift, superglue or lightglue (pip install 'pointmap[match]'), descriptors.
        poses: 'network': cameras by its matches and keypoints. 'sfm': by structure from motion on keypoints alone
            (COLMAP; pip install 'pointmap[colmap]'). 'auto' takes what explains the keypoints best, or both.
        refine: 'ba' poses photos by matches and adjusts all cameras to them, 'align' by predicted points alone; 'none'
            keeps the first estimate.
        depth: 'network': as predicted, scaled and bent to fit. 'stereo': that, corrected by what the photos agree on.
            'auto' takes stereo for three photos or more.
        single_object: The photos go around one thing, or it turns on a turntable: the background that stands still is
            left out, and mesh.glb is closed. Take 16 photos or more.
        mesh: Write mesh.glb, the textured surface, as well.
        max_points: Of the clouds in points.ply, scene.glb and scene.html; default all, and what a phone opens.
        target_faces: Of the mesh.
        texture_size: Longest side of the mesh's texture in pixels.
        mask_sky: Leave sky out of clouds and mesh.
        device: cpu or cuda; default cuda where there is one.
        precision: Of the network; auto takes bfloat16 where the hardware has it.
        cache: Folder in which predictions are kept. By default they are kept in the output folder until the run ends,
            so that an interrupted one continues.
        min_confidence: Points below it are left out of cloud and mesh; default by their distribution.
        confidence_percentile: Instead, leave out this part of the points, in percent: the least confident.
        consistency: Leave out points that more photos see past than confirm; depths that differ by less than this share
            count as the same, such as 0.05.
        overwrite: Replace the scene that an earlier run left in the output folder.
        seed: Of everything random.
        quiet: Show no progress and no summary.
    """
    from pointmap.errors import InputError

    if not photos:
        raise InputError(
            "No photos given. Name a folder, a zip, files or a glob: pointmap reconstruct photos/ -o scene"
        )

    import shutil

    from pointmap.export.folder import prepare_folder, write_outputs
    from pointmap.pipeline import reconstruct as run
    from pointmap.priors import Soft
    from pointmap.progress import ProgressBar
    from pointmap.scene import Keep
    from pointmap.video_photos import expand_videos

    if depth_sigma is not None and depths is None:
        raise InputError("--depth-sigma says how sure --depths are, but none are given. Name their folder, too.")
    if (output / "scene.npz").exists() and not overwrite:
        raise InputError(
            f"There is a scene in {str(output)!r} already. Name another folder with -o, or replace it with --overwrite."
        )
    own_cache = prepare_folder(output) / "cache"
    with ProgressBar() if not quiet else nullcontext() as bar:
        sources = expand_videos(
            photos[0] if len(photos) == 1 else list(photos), output / "frames", frames_per_second=fps, progress=bar
        )
    scene = run(
        sources,
        model=model,
        image_size=image_size,
        pairs=pairs,
        shared_focal=shared_focal,
        masks=masks,
        depths=Soft(depths, depth_sigma) if depths is not None and depth_sigma is not None else depths,
        descriptor=descriptor,
        matcher=matcher,
        poses=poses,
        refine=refine,
        depth=depth,
        subject="object" if single_object else "scene",
        device=device,
        precision=precision,
        cache=cache or own_cache,
        progress=not quiet,
        seed=seed,
    )
    keep: Keep = {"mask_sky": mask_sky}
    # What is not given is left out: clouds and meshes have defaults of their own.
    if min_confidence is not None:
        keep["min_confidence"] = min_confidence
    if confidence_percentile is not None:
        keep["confidence_percentile"] = confidence_percentile
    if consistency is not None:
        keep["consistency"] = consistency
    with ProgressBar() if not quiet else nullcontext() as bar:
        written = write_outputs(
            scene,
            output,
            mesh=mesh,
            max_points=max_points,
            target_faces=target_faces,
            texture_size=texture_size,
            progress=bar,
            **keep,
        )
    if cache is None:
        shutil.rmtree(own_cache, ignore_errors=True)
    if not quiet:
        print(_summary(scene, output, [path.name for path in written if path.parent == output]))


def _left_out(lines: list[str]) -> list[str]:
    """All of them, but of pairs that contradict the others only some."""
    contradictions = [line for line in lines if "contradicts the others" in line]
    if len(contradictions) <= _CONTRADICTIONS:
        return lines
    more = len(contradictions) - _CONTRADICTIONS
    others = [line for line in lines if line not in contradictions]
    return [*others, *contradictions[:_CONTRADICTIONS], f"So do {more} more; report.json names them."]


def _summary(scene: "Scene", output: Path, files: list[str]) -> str:
    """What came out, what was left out and why, and where to look first."""
    report = scene.report
    lines = [
        f"Registered {report['registered']} of {report['photos']} photos in {sum(report['seconds'].values()):.1f} s."
    ]
    lines += [f"Skipped {photo['name']}: {photo['reason']}" for photo in report["skipped"]]
    lines += [f"Not registered: {name}" for name in report["not_registered"]]
    lines += _left_out(report["dropped"])
    lines += _pose_lines(report["poses"], without_network=report["network"] == "classical")
    if "object" in report:
        lines += _object_lines(report["object"])
    lines.append(f"Wrote {', '.join(files)} and depth/ to {output}/")
    lines.append(f"Look at {output / 'preview.png'}, or open {output / 'scene.html'} in a browser.")
    return "\n".join(lines)


def _pose_lines(poses: dict[str, Any], *, without_network: bool) -> list[str]:
    """Where the cameras come from, and which photos no match ties to others."""
    sources = {
        "network": "keypoints" if without_network else "the network and keypoints",
        "network without keypoints": "the network",
        "sfm": "structure from motion",
    }
    lines = [f"Cameras by {sources[poses['source']]} ({poses['why']})."]
    guessed = [name for name, photo in poses["photos"].items() if photo["source"] and not photo["tied"]]
    if len(poses["photos"]) > 1 and guessed:
        lines.append(f"No match ties these to another photo, their place is a guess: {', '.join(guessed)}")
    return lines


def _object_lines(found: dict[str, Any]) -> list[str]:
    """How the object was told from its background, and whether the photos go all around it."""
    masks, orbit = found["masks"], found["orbit"]
    lines = [f"Masks: {masks['way']} ({masks['reason']})."]
    if "turn_deg" in orbit:
        end = "and come back to where they began" if orbit["closed"] else "and do not come back to where they began"
        lines.append(f"The cameras go {abs(orbit['turn_deg']):.0f} degrees around the object {end}.")
    return lines
