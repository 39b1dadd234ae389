"""Photos through a multi-view network in overlapping chunks, merged into one scene.

    python examples/merge_chunks.py demo/photos/room/images -o scene.glb              # the bundled network, two by two
    python examples/merge_chunks.py walk/*.jpg -o scene.glb --model vggt --size 32 --overlap 4 --keep walk_groups

Photos must be in an order in which neighbours overlap. The bundled network runs as it is; "vggt", "pi3" and "da3" call
the public packages of these models, which are installed from their repositories, as their READMEs say. A model of your
own takes one function of this form.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import pointmap
from pointmap.geometry.cameras import original_intrinsics
from pointmap.groups import (
    GroupModel,
    group_from_depths,
    group_from_local_points,
    group_from_points,
    make_chunks,
    predict_groups,
)
from pointmap.images import load_views
from pointmap.progress import ProgressBar
from pointmap.scene import Group, View

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def bundled() -> GroupModel:
    """Pairs: both pointmaps in the frame of the first camera."""
    network = pointmap.load_model("small")

    @torch.no_grad()
    def model(views: Sequence[View], indices: tuple[int, ...]) -> Group:
        image_i, image_j = (2 * image - 1 for image in _images(views).split(1))
        out = network(image_i.to(network.device), image_j.to(network.device))
        return group_from_points(indices, [out.points_i, out.points_j], [out.confidence_i, out.confidence_j])

    return model


def vggt() -> GroupModel:
    """Depths with extrinsics and intrinsics."""
    from vggt.models.vggt import VGGT
    from vggt.utils.pose_enc import pose_encoding_to_extri_intri

    network = VGGT.from_pretrained("facebook/VGGT-1B").to(DEVICE).eval()

    @torch.no_grad()
    def model(views: Sequence[View], indices: tuple[int, ...]) -> Group:
        images = _images(views).to(DEVICE)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
            out = network(images)
        extrinsics, intrinsics = pose_encoding_to_extri_intri(out["pose_enc"], images.shape[-2:])
        return group_from_depths(indices, out["depth"], intrinsics, out["depth_conf"], cam_from_world=extrinsics)

    return model


def pi3() -> GroupModel:
    """Points of every camera with camera poses; confidences are logits."""
    from pi3.models.pi3 import Pi3

    network = Pi3.from_pretrained("yyfz233/Pi3").to(DEVICE).eval()

    @torch.no_grad()
    def model(views: Sequence[View], indices: tuple[int, ...]) -> Group:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
            out = network(_images(views)[None].to(DEVICE))
        return group_from_local_points(
            indices,
            out["local_points"],
            out["conf"],
            world_from_cam=out["camera_poses"],
            confidence_kind="logit",
        )

    return model


def da3() -> GroupModel:
    """Depth Anything 3: depths with extrinsics and intrinsics, as arrays."""
    from depth_anything_3.api import DepthAnything3

    network = DepthAnything3.from_pretrained("depth-anything/DA3NESTED-GIANT-LARGE").to(DEVICE)

    def model(views: Sequence[View], indices: tuple[int, ...]) -> Group:
        out = network.inference([view.image for view in views], process_res=504)
        return group_from_depths(indices, out.depth, out.intrinsics, out.conf, cam_from_world=out.extrinsics)

    return model


@dataclass(frozen=True)
class Choice:
    """A model, and the photos that it takes."""

    load: Callable[[], GroupModel]
    image_size: int
    """Long side in pixels."""
    patch_size: int
    pairs: bool = False
    """The network takes two photos, not any number that fits into memory."""


MODELS = {
    "bundled": Choice(bundled, 160, 8, pairs=True),
    "vggt": Choice(vggt, 518, 14),
    "pi3": Choice(pi3, 518, 14),
    "da3": Choice(da3, 504, 14),
}


def main(arguments: Sequence[str] | None = None) -> pointmap.Scene:
    """Read the command line, merge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", help="a folder or files, in order")
    parser.add_argument("-o", "--output", type=Path, default=Path("scene.glb"))
    parser.add_argument("--model", choices=MODELS, default="bundled")
    parser.add_argument("--size", type=int, default=16, help="photos of a chunk; the bundled network takes two")
    parser.add_argument(
        "--overlap",
        type=int,
        default=4,
        help="photos that neighbouring chunks share; of pairs, how far apart the two may be",
    )
    parser.add_argument("--cyclic", action="store_true", help="the last photos are followed by the first")
    parser.add_argument("--keep", type=Path, help="folder for predictions: needs no memory, and continues")
    options = parser.parse_args(arguments)

    choice = MODELS[options.model]
    photos = options.photos[0] if len(options.photos) == 1 else options.photos
    views = load_views(photos, image_size=choice.image_size, patch_size=choice.patch_size).views
    if choice.pairs:
        count, reach = len(views), options.overlap
        chunks = [(i, j) for i in range(count) for j in range(count) if 0 < abs(i - j) <= reach]
    else:
        chunks = make_chunks(len(views), size=options.size, overlap=options.overlap, cyclic=options.cyclic)
    with ProgressBar() as progress:
        groups = predict_groups(choice.load(), views, chunks, folder=options.keep, key=options.model, progress=progress)
        alignment = pointmap.align(groups, num_views=len(views), progress=progress)
    scene = merged_scene(alignment, views)
    scene.export(options.output)
    print(f"{scene.registered.sum()} of {len(scene)} photos in {options.output}")
    return scene


def merged_scene(alignment: pointmap.Alignment, views: Sequence[View]) -> pointmap.Scene:
    """The aligned views as a scene, which can be looked at, saved and exported."""
    return pointmap.Scene(
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
        report={"dropped": alignment.dropped},
    )


def _images(views: Sequence[View]) -> torch.Tensor:
    """(views, 3, h, w) in [0, 1]: these models want photos of one size."""
    shapes = {view.image.shape for view in views}
    if len(shapes) > 1:
        raise pointmap.InputError(f"This model takes photos of one size; got {sorted(shapes)}. Crop them alike first.")
    return torch.tensor(np.stack([view.image for view in views])).permute(0, 3, 1, 2) / 255


if __name__ == "__main__":
    main()
