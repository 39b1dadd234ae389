"""From photos to a scene: the road of the whole package on one page."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pointmap.alignment import Alignment
from pointmap.checkpoints import load_model
from pointmap.classical import CONFIG as CLASSICAL
from pointmap.classical import classical_groups
from pointmap.densify import STEREO_SIZE, densify, is_worthwhile
from pointmap.early_scenes import EarlyScenes, SceneProgress
from pointmap.errors import InputError
from pointmap.geometry.matching import PairMatches
from pointmap.images import LoadedPhotos, iter_views, load_views
from pointmap.inference import SkyMaps, predict_matches, predict_pairs
from pointmap.kept_pixels import masked_group, masked_matches
from pointmap.match import KEYPOINT_SIZE, LEAST_KEYPOINT_SIZE, EpipolarMatches, Matcher
from pointmap.matchers import exact_matches
from pointmap.memory import explained
from pointmap.models import Network
from pointmap.pairs import make_pairs
from pointmap.pairs.make import RETRIEVAL_ABOVE
from pointmap.photo_descriptors import similarity_by
from pointmap.photo_priors import read_photo_priors
from pointmap.pose_sources import pose_photos
from pointmap.priors import KnownDistance, Soft
from pointmap.progress import ProgressBar, ProgressCallback, repeating
from pointmap.scene import Scene, View
from pointmap.scene_maker import SceneMaker
from pointmap.turntable import MASK_SIZE, Subject, find_subject, object_report, plan_orbit
from pointmap.video_photos import Photos, expand_videos


def reconstruct(
    photos: Photos,
    *,
    model: str | Path | Network = "small",
    device: str | torch.device | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    image_size: int | None = None,
    pairs: str | Sequence[tuple[int, int]] = "auto",
    descriptor: str | Path = "network",
    matcher: str | Path | Matcher = "sift",
    poses: Literal["auto", "network", "sfm"] = "auto",
    depth: Literal["auto", "network", "stereo"] = "auto",
    refine: Literal["ba", "align", "none"] = "ba",
    subject: Literal["scene", "object"] = "scene",
    intrinsics: Sequence[np.ndarray | Soft | None] | None = None,
    world_from_cam: Sequence[np.ndarray | Soft | None] | None = None,
    depths: Sequence[np.ndarray | str | Path | Soft | None] | str | Path | Soft | None = None,
    masks: Sequence[np.ndarray | str | Path | None] | str | Path | None = None,
    gravity: Sequence[np.ndarray | Soft | None] | None = None,
    distances: Sequence[KnownDistance] | None = None,
    shared_focal: bool | None = None,
    cache: str | Path | None = None,
    progress: bool | SceneProgress = True,
    seed: int = 0,
) -> Scene:
    """Reconstruct a scene from photos of it, without calibration, poses or order.

    Args:
        photos: A folder, a zip, a glob, a list of files, or a list of PIL images or (H, W, 3) uint8 arrays.
            A video (extra `video`) gives frames: at most two per second, and 100.
        model: A bundled name ("small"), a hub id, a folder with `config.json` and `model.safetensors`, a `.pth` or
            `.safetensors` file, or a loaded network. "classical" is none: keypoints and stereo alone.
        device: Where the network runs; default CUDA where there is one, else the CPU.
        precision: Of the network; "auto" takes bfloat16 where the hardware has it.
        image_size: Long side of the working images in pixels (224: short side of a square crop, as for DUSt3R's
            224 network); default what suits the network.
        pairs: Which photos meet: a strategy ("auto", "complete", "retrieval-10", "window-3", "log-window-3",
            "one-to-all-0"; see `pointmap.pairs.make_pairs`) or a list of index pairs.
        descriptor: What says which photos are alike, for pairs by content: "network", or "efficientnet" or "dinov2"
            (extra `match`; see `pointmap.photo_descriptors.similarity_by`).
        matcher: What finds exact matches: "sift", "superglue", "lightglue", "descriptors" (see
            `pointmap.matchers.load_matcher`), or an object that does.
        poses: Where cameras come from. "network": its matches and keypoints, bundle adjustment. "sfm": structure from
            motion on keypoints alone (COLMAP, extra `colmap`); photos that it cannot register have no pose. "auto"
            tries both, and takes what explains the keypoints best, photos that only one of them has included; without
            the extra it is the network, and the report says so.
        depth: "network": as the network has it, scaled and bent to fit. "stereo": that, corrected by what the photos
            agree on, wherever they show texture. "auto" takes stereo for three photos or more.
        refine: "align" optimises poses and depths over all pairs, "none" keeps the start from the spanning tree. "ba"
            aligns, but takes the relative poses of pairs from matches, and then adjusts the cameras to all matches
            (bundle adjustment); the same as "align" for a network without a match read-out.
        subject: "object" is for photos around one thing, or of one on a turntable: what stands still behind it is found
            and left out, photos meet along the orbit, and `Scene.mesh(watertight=True)` closes its surface.
        intrinsics: Known pinhole K (3, 3) per photo, in pixels of the original upright photo; None where unknown. Kept,
            unless wrapped as `Soft(K, sigma of log focal length)`. Unknown ones begin with the focal length that EXIF
            states, if it does.
        world_from_cam: Known pose (4, 4) per photo, None where unknown. Kept, unless wrapped as `Soft(pose, (degrees,
            world units))`; infinity leaves rotation or position open, as for GPS. Two or more positions set the scale.
        depths: Known z-depths per photo, None where unknown: an (H, W) array in world units over the whole upright
            photo at any resolution, 0 or NaN where unknown, or a file (`pointmap.images.depths.working_depth`); or a
            folder of files that are called like the photos. Kept, unless wrapped as `Soft(depths, sigma of log
            depth)`; a folder may be wrapped as a whole. They set the scale.
        masks: Per photo an (H, W) mask or an image file of the upright photo's size, non-zero = keep; None keeps all;
            or a folder of files that are called like the photos. What is not kept takes no part in the alignment, and
            has depth 0.
        gravity: Per photo the direction in which things fall, as a vector in the camera frame (x right, y down, z
            forward), None where unknown; `Soft(vector, degrees)` where not exact. The world's y axis then points there.
        distances: Known distances (`KnownDistance`) between cameras or pixels (photo, x, y) of original upright
            photos, which set the scale unless poses or depths do.
        shared_focal: All photos were taken with one focal length (in pixels of the working images); False: each with
            one of its own. Default: photos of one size, whatever way up, share theirs where it is not known; most
            people use one camera and do not zoom.
        cache: Folder for the network's predictions; an interrupted run continues from it.
        progress: True shows bars; a `callback(stage, done, total, scene_so_far)` may raise `pointmap.Cancelled`.
            `scene_so_far` is a rough scene as soon as two photos are predicted, again as more are while that takes
            little time, after the alignment what it found, with the stage "done" what is returned, and else None.
            Photos that it does not have yet are not registered.
        seed: Of everything random.

    Returns:
        The scene, in the camera frame of the first registered photo unless poses or gravity are known. Photos that
        could not be read are left out, photos that could not be tied to the rest are marked in `registered`; `report`
        says why.

    Raises:
        InputError: The photos or a setting cannot be used, or memory ran out; the message says what to do.
        Cancelled: Raised by the callback.
    """
    for name, source, known in (
        ("poses", poses, ("auto", "network", "sfm")),
        ("depth", depth, ("auto", "network", "stereo")),
        ("subject", subject, ("scene", "object")),
    ):
        if source not in known:
            raise InputError(f"Unknown {name} {source!r}. Choose {' or '.join(map(repr, known))}.")
    if subject == "object" and model == "classical" and descriptor == "network":
        raise InputError(
            "subject='object' asks the network which photos are alike, and model='classical' has none. Name another "
            "descriptor, such as 'dinov2', or a network."
        )
    clock = _Clock()
    with _reporter(progress) as tell:
        with clock("load network"):
            network = _network(model, device, precision, tell)
        config = network.config if network else CLASSICAL
        with clock("load photos"):
            photos = expand_videos(photos, Path(cache) / "frames" if cache else None, progress=tell)
            loaded = load_views(
                photos, image_size=image_size or config.working_size, patch_size=config.patch_size, progress=tell
            )
        views = loaded.views
        priors = read_photo_priors(
            loaded,
            intrinsics=intrinsics,
            world_from_cam=world_from_cam,
            depths=depths,
            masks=masks,
            gravity=gravity,
            distances=distances,
            shared_focal=shared_focal,
        )
        keep = priors.keep
        sized = _Sizes(photos, views, config.patch_size)
        found: Subject | None = None
        if subject == "object":
            with clock("masks"):
                given = None if masks is None else priors.masks
                found = find_subject(sized.all(MASK_SIZE, repeating(tell, "masks")), given)
                keep = [found.keep(view) for view in views]
                sized = replace(sized, look=found.isolated)
        seen = [sized.look(view) for view in views]
        with clock("pairs"):
            similarity = partial(similarity_by, descriptor, seen, network=network, device=device, progress=tell)
            orbit = plan_orbit(similarity()) if found else None
            along_orbit = orbit is not None and pairs == "auto" and (orbit.closed or len(views) > RETRIEVAL_ABOVE)
            pair_list = make_pairs(
                len(views),
                orbit.pairs if orbit and along_orbit else pairs,
                similarity=similarity if network or descriptor != "network" else None,
            )
        to_matches = refine == "ba" and (network is None or config.match_dim > 0)
        sky, notes = SkyMaps(), list[str]()
        make_scene = SceneMaker(views, keep, priors, config.metric, sky)
        early = EarlyScenes(progress, make_scene, seed=seed) if callable(progress) else None
        watched: ProgressCallback = early or tell
        predicting: dict[str, Any] = {"on_groups": early.add if early else None, "progress": watched}
        if network:
            with clock("predict"):
                groups = predict_pairs(network, seen, pair_list, cache=cache, sky=sky, notes=notes, **predicting)
        keypoints: list[EpipolarMatches] = []
        if len(views) > 1 and (to_matches or poses != "network"):
            with clock("keypoints"):
                large = sized.one_by_one(LEAST_KEYPOINT_SIZE, KEYPOINT_SIZE)
                keypoints = exact_matches(matcher, views, large, keep, pair_list, network=network, progress=watched)
        if network is None:
            with clock("predict"):
                exact, K = [pair.matches for pair in keypoints], priors.start.intrinsics
                groups = classical_groups(seen, pair_list, exact, intrinsics=K, device=device or "cpu", **predicting)
        groups = [masked_group(group, keep) for group in groups]
        matches: list[PairMatches] = []
        matched_views: list[View] | None = None
        if network and to_matches:
            with clock("match"):
                matched_views = sized.all(config.match_size or config.working_size, repeating(watched, "match"))
                matches = predict_matches(network, views, matched_views, pair_list, progress=watched)
                matches = [masked_matches(match, keep) for match in matches]
        with clock("align"):
            posed = pose_photos(
                groups,
                matches,
                keypoints,
                views,
                priors.exact,
                poses=poses,
                start=priors.start,
                beside=priors.beside,
                to_matches=to_matches,
                refine="none" if refine == "none" else "align",
                seed=seed,
                progress=tell,
            )
            alignment = posed.alignment
        if depth == "auto":
            depth = "stereo" if is_worthwhile(alignment, views) else "network"
        if depth == "stereo":
            if early:
                early.show("align", alignment)
            with clock("stereo"):
                if (image_size or config.working_size) >= STEREO_SIZE:
                    compared = seen
                elif matched_views is not None and config.match_size == STEREO_SIZE:
                    compared = matched_views
                else:
                    compared = sized.all(STEREO_SIZE, repeating(tell, "stereo"))
                where = network.device if network else device or "cpu"
                alignment = densify(alignment, views, compared, device=where, progress=tell)
        report = _report(clock, network, loaded, pair_list, alignment)
        scene = make_scene(alignment, report | {"poses": posed.report, "depth": depth, "notes": notes})
        if found and orbit:
            scene.report["object"] = object_report(found, orbit, scene)
        if callable(progress):
            progress("done", 1, 1, scene)
    return scene


def _network(
    model: str | Path | Network, device: str | torch.device | None, precision: Any, progress: ProgressCallback
) -> Network | None:
    """The network to use; None for the classical road."""
    if isinstance(model, Network):
        return model
    if model == "classical":
        return None
    return load_model(model, device=device, precision=precision, progress=progress)


@dataclass(frozen=True)
class _Sizes:
    """The photos in other sizes than that of the network."""

    photos: Photos
    views: list[View]
    patch_size: int
    look: Callable[[View], View] = lambda view: view
    """What stages see of a photo."""

    def all(self, size: int, on_photo: Callable[[], None]) -> list[View]:
        """All at once; `on_photo` may raise."""
        if all(max(view.image.shape[:2]) == size for view in self.views):
            return [self.look(view) for view in self.views]
        large = {}
        for view in iter_views(self.photos, image_size=(size, size), patch_size=self.patch_size):
            on_photo()
            large[view.name] = view
        return [self.look(large.get(view.name, view)) for view in self.views]

    def one_by_one(self, least: int, most: int) -> Iterator[View]:
        """In a size in which not all need fit into memory; as it is, a photo that is gone since."""
        found = iter_views(self.photos, image_size=(least, most), patch_size=self.patch_size)
        large = next(found, None)
        for view in self.views:
            if large is not None and large.name == view.name:
                yield self.look(large)
                large = next(found, None)
            else:
                yield self.look(view)


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        with explained(f"in the stage {stage!r}"):
            yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)


@contextmanager
def _reporter(progress: bool | SceneProgress) -> Iterator[Callable[[str, int, int], None]]:
    """The progress callback of the stages: bars, the caller's own, or nothing."""
    if callable(progress):
        yield lambda stage, done, total: progress(stage, done, total, None)
    elif progress:
        with ProgressBar() as bar:
            yield bar
    else:
        yield lambda stage, done, total: None


def _report(
    clock: _Clock, network: Network | None, loaded: LoadedPhotos, pairs: list[tuple[int, int]], alignment: Alignment
) -> dict[str, Any]:
    """How the scene was made, as plain JSON values."""
    names = [view.name for view in loaded.views]
    return {
        "seconds": clock.seconds,
        "photos": len(names),
        "registered": int(alignment.registered.sum()),
        "not_registered": [name for name, ok in zip(names, alignment.registered, strict=True) if not ok],
        "skipped": [{"name": photo.name, "reason": photo.reason} for photo in loaded.skipped],
        "dropped": [with_names(line, names) for line in alignment.dropped],
        "focal_from_exif": [view.name for view in loaded.views if view.focal_px_prior is not None],
        "pairs": len(pairs),
        "loss": alignment.loss,
        "loss_history": alignment.history,
        "residuals": {
            name: round(float(residual), 5)
            for name, residual, ok in zip(names, alignment.view_residuals, alignment.registered, strict=False)
            if ok and np.isfinite(residual)
        },
        "network": network.config.to_dict() if network else "classical",
        "precision": str(network.precision).removeprefix("torch.") if network else None,
        "device": str(network.device) if network else None,
    }


def with_names(line: str, names: list[str]) -> str:
    """The aligner knows views by number only; people know photos by name."""
    listed = r"^(Views? |Pair of views |Group \d+ \(views )(\d+(?:(?:, | and )\d+(?! more))*)(?: \(group \d+\))?"

    def renamed(match: re.Match[str]) -> str:
        kind = re.sub("^Views? ", "", match[1]).replace("Pair of views", "Pair of")
        return kind + re.sub(r"\d+", lambda view: names[int(view[0])], match[2])

    return re.sub(listed, renamed, line)
