"""How fast procedural pairs are rendered, plain and compiled, on the CPU (one thread) and on the GPU if there is one.

    python eval/studies/render_speed.py [--pairs 24] [--sizes 112x80 224x160] [--plain]

On the CPU the time is that of the process, so that other work on the machine disturbs it little. "Drawn" is the choice
of worlds and cameras, "rendered" is the images.
"""

import argparse
import time
from collections.abc import Callable

import torch

from pointmap.train.fused import compiled
from pointmap.train.habits import TRAINING
from pointmap.train.pairs import draw_pairs
from pointmap.train.random import Random
from pointmap.train.renderer import render
from pointmap.train.textures import make_textures

_TEXTURES = 24


def measure(size: tuple[int, int], pairs: int, device: str, fuse: bool) -> tuple[float, float]:
    """Milliseconds per pair: drawn and rendered.

    Args:
        size: Height and width.
    """
    chunk = 4 if device == "cpu" else 64
    texels = make_textures(_TEXTURES, seed=0, device=device)
    scenes, cameras = draw_pairs(pairs, size, Random(0, device), _TEXTURES, TRAINING)
    intrinsics = cameras.plans.intrinsics(size)

    def draw() -> None:
        draw_pairs(pairs, size, Random(1, device), _TEXTURES, TRAINING)

    def photograph() -> None:
        for start in range(0, pairs, chunk):
            part = slice(start, start + chunk)
            render(scenes[part], cameras.world_from_cam[part], intrinsics[part], size, texels, _TEXTURES)

    with torch.no_grad(), compiled(fuse):
        return _milliseconds(draw, device) / pairs, _milliseconds(photograph, device) / pairs


def _milliseconds(work: Callable[[], None], device: str) -> float:
    """Of the best of three runs after one that warms up (and compiles)."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    best = float("inf")
    for run in range(4):
        start = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        if run > 0:
            best = min(best, clock() - start)
    return 1e3 * best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, help="default: 24 on a CPU, 512 on a GPU")
    parser.add_argument("--sizes", nargs="+", default=["112x80", "224x160"], help="width x height")
    parser.add_argument("--plain", action="store_true", help="leave out the compiled version, which takes minutes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'device':<8}{'size':>10}{'version':>10}{'drawn ms':>10}{'rendered ms':>13}{'pairs/s':>10}")
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        pairs = arguments.pairs or (24 if device == "cpu" else 512)
        for text in arguments.sizes:
            width, height = (int(number) for number in text.split("x"))
            for fuse in (False,) if arguments.plain else (False, True):
                drawn, rendered = measure((height, width), pairs, device, fuse)
                version = "compiled" if fuse else "plain"
                rate = 1e3 / (drawn + rendered)
                print(f"{device:<8}{text:>10}{version:>10}{drawn:>10.2f}{rendered:>13.2f}{rate:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
