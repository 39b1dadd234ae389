"""What encoding each photo once and half precision are worth: a complete graph of photos, beside the plain way.

    python eval/network_speed.py [--photos 4] [--size 512x384] [--network DUSt3R_ViTLarge_BaseDecoder_512_dpt]

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
from itertools import permutations
from pathlib import Path

METHODS = ("yardstick", "pointmap")


def measure(method: str, photos: int, size: tuple[int, int], name: str, precision: str, device: str) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory of one method, in this process."""
    import torch

    from pointmap.inference import image_tensor, predict_pairs
    from pointmap.models import PRESETS, Network
    from pointmap.models.precision import resolve_device, resolve_precision
    from pointmap.scene import View

    torch.manual_seed(0)
    where = resolve_device(None if device == "auto" else device)
    dtype = torch.float32 if method == "yardstick" else resolve_precision(precision, where)
    with torch.device("meta"):
        network = Network(PRESETS[name]).eval()
    network.to_empty(device=where).set_precision(dtype)
    with torch.no_grad():
        for parameter in network.parameters():  # rounded or not, the same numbers
            parameter.normal_(std=0.02)
    width, height = size
    images = torch.randint(0, 256, (photos, height, width, 3), dtype=torch.uint8).numpy()
    views = [View(f"{index}.png", image, size, _identity()) for index, image in enumerate(images)]
    pairs = list(permutations(range(photos), 2))
    _wait(where)
    loaded = _peak_gib(where)
    wall, cpu = time.perf_counter(), time.process_time()
    if method == "pointmap":
        predict_pairs(network, views, pairs)
    else:
        with torch.inference_mode():
            for i, j in pairs:
                network(image_tensor(views[i], where), image_tensor(views[j], where))
    _wait(where)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"seconds": wall, "cpu_seconds": cpu, "loaded_gib": loaded, "peak_gib": _peak_gib(where), "pairs": len(pairs)}


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


def _identity():  # type: ignore[no-untyped-def]
    import numpy as np

    return np.eye(3)


def _wait(device) -> None:  # type: ignore[no-untyped-def]
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize()


def _peak_gib(device) -> float:  # type: ignore[no-untyped-def]
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
    if arguments.only:
        result = measure(
            arguments.only, arguments.photos, (width, height), arguments.network, arguments.precision, arguments.device
        )
        print(json.dumps(result))
        return
    # Threads that spin while they wait would be counted as work.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(arguments.threads)}
    print(f"{arguments.photos} photos of {arguments.size}, complete graph, {arguments.network}, {arguments.threads} threads")
    print(f"{'':10} {'seconds':>8} {'CPU s':>8} {'CPU s/pair':>10} {'peak GiB':>9}")
    results = {}
    for method in METHODS:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", method]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        results[method] = result = json.loads(output.splitlines()[-1])
        per_pair = result["cpu_seconds"] / result["pairs"]
        print(
            f"{method:10} {result['seconds']:8.1f} {result['cpu_seconds']:8.1f} {per_pair:10.1f} {result['peak_gib']:9.2f}",
            flush=True,
        )
    yardstick, ours = (results[method] for method in METHODS)
    print(f"ratio      {yardstick['seconds'] / ours['seconds']:8.1f} {yardstick['cpu_seconds'] / ours['cpu_seconds']:8.1f}")
    photos = Path(__file__).parents[1] / "demo" / "photos" / "room"
    values = deviation(photos / "images")
    print("bfloat16 on the bundled weights: " + ", ".join(f"{name} {value:.1e}" for name, value in values.items()))


if __name__ == "__main__":
    main()
