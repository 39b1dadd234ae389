"""What encoding each photo once and half precision are worth: a complete graph of photos, beside the plain way.

    python eval/studies/network_speed.py [--photos 4] [--size 512x384] [--network DUSt3R_ViTLarge_BaseDecoder_512_dpt]

The yardstick runs the whole network in float32 on every directed pair, as the public reference does. Both run in
processes of their own, one after the other, on the same random weights and images; times do not include making those.
Then the bundled network: what bfloat16 changes in its predictions, on example photos.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

METHODS = ("yardstick", "pointmap")


@dataclass(frozen=True)
class Case:
    """What is measured."""

    photos: int
    size: tuple[int, int]
    """Width and height."""
    network: str
    precision: str
    device: str


def measure(method: str, case: Case) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory of one method, in this process."""
    import torch

    from pointmap.inference import image_tensor, predict_pairs
    from pointmap.models import PRESETS, Network
    from pointmap.models.precision import resolve_device, resolve_precision
    from pointmap.scene import View

    torch.manual_seed(0)
    where = resolve_device(None if case.device == "auto" else case.device)
    dtype = torch.float32 if method == "yardstick" else resolve_precision(case.precision, where)
    with torch.device("meta"):
        network = Network(PRESETS[case.network]).eval()
    network.to_empty(device=where).set_precision(dtype)
    with torch.no_grad():
        for parameter in network.parameters():  # rounded or not, the same numbers
            parameter.normal_(std=0.02)
    width, height = case.size
    images = torch.randint(0, 256, (case.photos, height, width, 3), dtype=torch.uint8).numpy()
    views = [View(f"{index}.png", image, case.size, np.eye(3)) for index, image in enumerate(images)]
    pairs = list(permutations(range(case.photos), 2))
    _wait(where)
    wall, cpu = time.perf_counter(), time.process_time()
    if method == "pointmap":
        predict_pairs(network, views, pairs)
    else:
        with torch.inference_mode():
            for i, j in pairs:
                network(image_tensor(views[i], where), image_tensor(views[j], where))
    _wait(where)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_gib": _peak_gib(where), "pairs": len(pairs)}


def deviation(photos: Path) -> dict[str, float]:
    """How far bfloat16 predictions of the bundled network are from its float32 ones, relative to the distance."""
    import torch

    from pointmap import load_model
    from pointmap.images import load_views
    from pointmap.inference import predict_pairs

    full, half = (load_model("small", device="cpu", precision=precision) for precision in ("fp32", "bf16"))
    views = load_views(photos, image_size=full.config.image_size, patch_size=full.config.patch_size).views
    pairs = list(permutations(range(len(views)), 2))
    points, confidences = [], []
    for exact, rounded in zip(predict_pairs(full, views, pairs), predict_pairs(half, views, pairs), strict=True):
        for side in range(2):
            length = exact.points[side].norm(dim=-1)
            points.append(((rounded.points[side] - exact.points[side]).norm(dim=-1) / length).flatten())
            confidences.append((rounded.confidences[side] / exact.confidences[side]).log().abs().flatten())
    point, confidence = torch.cat(points), torch.cat(confidences)
    return {
        "points_median": point.median().item(),
        "points_99_percent": point.kthvalue(int(0.99 * len(point))).values.item(),
        "confidence_median": confidence.median().item(),
    }


def _wait(device: "torch.device") -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_gib(device: "torch.device") -> float:
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--size", default="512x384")
    parser.add_argument("--network", default="DUSt3R_ViTLarge_BaseDecoder_512_dpt")
    parser.add_argument("--precision", default="auto", help="of pointmap's side")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=METHODS, help="one method, in this process, as JSON")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    case = Case(arguments.photos, (width, height), arguments.network, arguments.precision, arguments.device)
    if arguments.only:
        print(json.dumps(measure(arguments.only, case)))
        return
    # Threads that spin while they wait would be counted as work.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(arguments.threads)}
    print(f"{case.photos} photos of {arguments.size}, complete graph, {case.network}, {arguments.threads} threads")
    print(f"{'':10} {'seconds':>8} {'CPU s':>8} {'per pair':>8} {'peak GiB':>8}")
    results = {}
    for method in METHODS:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", method]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        result = results[method] = json.loads(output.splitlines()[-1])
        columns = (
            result["seconds"],
            result["cpu_seconds"],
            result["cpu_seconds"] / result["pairs"],
            result["peak_gib"],
        )
        print(f"{method:10} " + " ".join(f"{value:8.1f}" for value in columns), flush=True)
    yardstick, ours = (results[method] for method in METHODS)
    ratios = (yardstick[name] / ours[name] for name in ("seconds", "cpu_seconds"))
    print("ratio      " + " ".join(f"{ratio:8.1f}" for ratio in ratios))
    values = deviation(Path(__file__).parents[2] / "demo" / "photos" / "room" / "images")
    print("bfloat16 on the bundled weights: " + ", ".join(f"{name} {value:.1e}" for name, value in values.items()))


if __name__ == "__main__":
    main()
