"""From photos to a scene: the road of the whole package on one page."""

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

import pointmap
from pointmap.alignment import align
from pointmap.checkpoints import load_model
from pointmap.errors import InputError
from pointmap.geometry.cameras import original_intrinsics, working_intrinsics
from pointmap.images import LoadedPhotos, load_depths, load_masks, load_views
from pointmap.inference import predict_pairs
from pointmap.models import Network
from pointmap.pairs import make_pairs
from pointmap.progress import ProgressBar
from pointmap.scene import Scene

Photos = str | Path | Sequence[Any]
SceneProgress = Callable[[str, int, int, Scene | None], None]
Prior = Sequence[Any] | None


def reconstruct(
    photos: Photos,
    *,
    model: str | Path | Network = "small",
    device: str | torch.device | None = None,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    image_size: int | None = None,
    pairs: str | Sequence[tuple[int, int]] = "auto",
    poses: Literal["auto", "network"] = "auto",
    depth: Literal["auto", "network"] = "auto",
    refine: Literal["align", "none"] = "align",
    intrinsics: Prior = None,
    world_from_cam: Prior = None,
    depths: Prior = None,
    masks: Prior = None,
    shared_focal: bool = False,
    cache: str | Path | None = None,
    progress: bool | SceneProgress = True,
    seed: int = 0,
) -> Scene:
    """Reconstruct a scene from photos of it, without calibration, poses or order.

    Args:
        photos: A folder, a zip, a glob, a list of files, or a list of PIL images or (H, W, 3) uint8 arrays.
        model: A bundled name ("small"), a hub id, a folder with `config.json` and `model.safetensors`, a `.pth` or
            `.safetensors` file, or a loaded network.
        device: Where the network runs; default CUDA where there is one, else the CPU.
        precision: Of the network; "auto" takes bfloat16 where the hardware has it.
        image_size: Long side of the working images in pixels (224: short side of a square crop, as for DUSt3R's
            224 network); default what the network was trained for.
        pairs: Which photos meet: a strategy ("auto", "complete", "window-3", "log-window-3", "one-to-all-0") or a list
            of index pairs.
        poses, depth: Source of the geometry. "auto" is the network.
        refine: "align" optimises poses and depths over all pairs, "none" keeps the start from the spanning tree.
        intrinsics: Known pinhole K (3, 3) per photo, in pixels of the original upright photo; None where unknown. Kept.
        world_from_cam: Known pose (4, 4) per photo, None where unknown. Kept, with their scale if two or more are known.
        depths: Known depth maps per photo (arrays or files, z-depth in the photo's frame, 0 = unknown), None where
            unknown. Kept.
        masks: Per photo a (H, W) mask (array or file), non-zero = keep; None keeps all.
        shared_focal: All photos were taken with one focal length.
        cache: Folder for the network's predictions; an interrupted run continues from it.
        progress: True shows bars; a `callback(stage, done, total, scene_so_far)` may raise `pointmap.Cancelled`.
            `scene_so_far` is None until there is one.
        seed: Of everything random.

    Returns:
        The scene, in the camera frame of the first registered photo unless poses were given. Photos that could not be
        read are left out, photos that could not be tied to the rest are marked in `registered`; `report` says why.

    Raises:
        InputError: The photos or a setting cannot be used; the message says what to do.
        Cancelled: Raised by the callback.
    """
    with _reporter(progress) as tell:
        clock = _Clock()
        with clock("load network"):
            network = model if isinstance(model, Network) else load_model(model, device=device, precision=precision)
            config = network.config
        with clock("load photos"):
            loaded = load_views(
                photos,
                image_size=image_size or config.image_size,
                patch_size=config.patch_size,
                progress=lambda *done: tell(*done, None),
            )
            views = loaded.views
            priors = _working_priors(loaded, intrinsics, world_from_cam, depths, masks)
        pair_list = make_pairs(len(views), pairs)
        with clock("predict"):
            groups = predict_pairs(
                network, views, pair_list, cache=cache, progress=lambda *done: tell(*done, None)
            )
        with clock("align"):
            alignment = align(
                groups,
                **priors,
                shared_focal=shared_focal,
                refine=refine,
                seed=seed,
                progress=lambda *done: tell(*done, None),
            )
        scene = Scene(
            names=tuple(view.name for view in views),
            paths=tuple(view.path for view in views),
            image_sizes=np.array([view.original_size for view in views]),
            intrinsics=np.stack(
                [
                    original_intrinsics(K, view.working_from_original)
                    for K, view in zip(alignment.intrinsics, views, strict=True)
                ]
            ),
            world_from_cam=alignment.world_from_cam,
            depths=alignment.depths,
            confidences=alignment.confidences,
            colors=[view.image for view in views],
            working_intrinsics=alignment.intrinsics,
            registered=alignment.registered,
            metric=config.metric,
            report=_report(clock, network, loaded, pair_list, alignment),
        )
        tell("done", 1, 1, scene)
    return scene
