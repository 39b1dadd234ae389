"""How well sky is found on held-out procedural photos: by the network, and by the look of it.

    python eval/studies/sky.py --pairs 40 --model small

IoU and recall over the photos with sky; of pixels that show none, the share that is taken for sky, in these photos and
in those without any.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

if not __package__:  # run as a file: python eval/studies/sky.py
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    __package__ = "eval.studies"

import pointmap
from pointmap.fusion.sky import sky_by_look
from pointmap.inference import SkyMaps, predict_pairs
from pointmap.scene import View

from .procedural import held_out_pairs
from .rows import markdown

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
_LEAST_SKY = 0.02
"""Share of a photo that makes it one with sky."""


def score(found: list[np.ndarray], true: list[np.ndarray]) -> list[str]:
    """Cells of a row."""
    under = [pair for pair in zip(found, true, strict=True) if pair[1].mean() > _LEAST_SKY]
    indoors = [pair[0].mean() for pair in zip(found, true, strict=True) if not pair[1].any()]
    both, either, sky, wrong, ground = (
        sum(int(part(f, t).sum()) for f, t in under)
        for part in (
            lambda f, t: f & t,
            lambda f, t: f | t,
            lambda f, t: t,
            lambda f, t: f & ~t,
            lambda f, t: ~t,
        )
    )
    figures = (both / max(either, 1), both / max(sky, 1), wrong / max(ground, 1), float(np.mean(indoors or [0])))
    return [f"{figures[0]:.3f}", f"{figures[1]:.3f}", f"{figures[2]:.2%}", f"{figures[3]:.2%}"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--size", type=int, default=160, help="long side of the photos, in pixels")
    parser.add_argument("--model", default="small", help="a network that says where sky is")
    args = parser.parse_args()
    network = pointmap.load_model(args.model)
    views, true, maps = [], [], []
    for batch in held_out_pairs(args.pairs, args.size):
        images = batch.images if batch.images.dtype == torch.uint8 else (255 * batch.images).round().to(torch.uint8)
        for pair, depths in zip(images, batch.depths, strict=True):
            own = [View(str(v), pair[v].numpy(), (pair.shape[2], pair.shape[1]), np.eye(3)) for v in (0, 1)]
            sky = SkyMaps()
            predict_pairs(network, own, [(0, 1), (1, 0)], sky=sky)
            found = sky.maps(own)
            if found is None:
                raise SystemExit(f"{args.model!r} does not say where sky is.")
            views += own
            maps += found
            true += [(depth == 0).numpy() for depth in depths]
    rows = [[f"network, {share}", *score([sky >= share for sky in maps], true)] for share in THRESHOLDS]
    rows.append(["by the look", *score([sky_by_look(view.image) for view in views], true)])
    counts = sum(sky.mean() > _LEAST_SKY for sky in true), sum(not sky.any() for sky in true)
    print(f"{counts[0]} photos with sky, {counts[1]} without")
    print(markdown(("sky", "IoU", "recall", "wrong under the sky", "wrong without sky"), rows))


if __name__ == "__main__":
    main()
