"""Our aligner beside 300 Adam steps on the same objective from the same start, in one run on one machine.

    python -m eval.alignment_speed            # N = 4 and 8 at 224x168, N = 4 at 512x384
    python -m eval.alignment_speed --scenes 4x112x84

The scenes are those of tests/golden_inputs.py. Seconds are CPU seconds of this process, all threads together.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from pointmap.alignment import Alignment, AlignmentObjective, align, make_problem
from pointmap.scene import Group
from tests import golden_inputs

ADAM_STEPS = 300


def main() -> None:
    """Print one table row per scene and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", default=["4x224x168", "8x224x168", "4x512x384"], help="views x w x h")
    parser.add_argument("--steps", type=int, default=ADAM_STEPS, help="of Adam")
    parser.add_argument("--threads", type=int, default=None, help="of torch")
    arguments = parser.parse_args()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    print(
        f"{torch.get_num_threads()} threads; rotation: mean relative error; centres: of the mean radius, after Sim(3)"
    )
    columns = ("CPU s", 8), ("wall s", 8), ("loss", 9), ("rotation", 9), ("centres", 8), ("focal", 7)
    print(f"{'scene':>12} {'method':>16} " + " ".join(f"{title:>{width}}" for title, width in columns))
    for name in arguments.scenes:
        compare(name, arguments.steps)


def compare(name: str, steps: int) -> None:
    """One scene, given as views x width x height."""
    views, width, height = (int(part) for part in name.split("x"))
    scene = golden_inputs.make_scene(views, height, width, 0)
    groups = predicted_groups(scene)
    centres = np.tile([width / 2, height / 2], (views, 1))  # where these scenes have it
    align(groups[:2], num_views=views)  # warm up

    start, *_ = timed(lambda: align(groups, refine="none", principal_points=centres))
    ours, cpu, wall = timed(lambda: align(groups, principal_points=centres))
    row(name, "ours", cpu, wall, ours.loss, ours.world_from_cam, ours.intrinsics[:, 0, 0], scene)
    (loss, poses, focals), adam_cpu, adam_wall = timed(lambda: adam(groups, start, centres, steps))
    row(name, f"{steps} Adam steps", adam_cpu, adam_wall, loss, poses, focals, scene)
    print(f"{name:>12} {'ratio':>16} {adam_cpu / cpu:8.1f} {adam_wall / wall:8.1f} {loss / ours.loss:9.5f}", flush=True)


def predicted_groups(scene: dict) -> list[Group]:
    """Noisy predictions of the complete graph, both orders of every pair."""
    edges = golden_inputs.complete_edges(scene["n"])
    groups = []
    for i, j in edges:
        pair = golden_inputs.pair_pred(scene, i, j)
        groups.append(Group((i, j), [pair["pts_i"], pair["pts_j"]], [pair["conf_i"], pair["conf_j"]]))
    return groups


def adam(
    groups: list[Group], start: Alignment, centres: np.ndarray, steps: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """The reference's optimisation: lr 0.01 falling to 1e-6 as a cosine, betas 0.9, all pixels in every step."""
    problem = make_problem(groups)
    objective = AlignmentObjective(problem, centres=torch.from_numpy(centres))
    objective.load(
        world_from_cam=torch.from_numpy(start.world_from_cam),
        world_from_group=torch.from_numpy(start.world_from_group),
        focals=torch.from_numpy(start.intrinsics[:, 0, 0]),
        depths=[torch.from_numpy(depth) for depth in start.depths],
    )
    optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=0.01, betas=(0.9, 0.9))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-6 + (0.01 - 1e-6) * (1 + np.cos(np.pi * step / steps)) / 2
        optimizer.zero_grad()
        objective().backward()
        optimizer.step()
    with torch.no_grad():
        return float(objective()), objective.world_from_cam.numpy(), objective.focals.numpy()


def timed(work):
    """Result, CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def row(
    name: str, method: str, cpu: float, wall: float, loss: float, poses: np.ndarray, focals: np.ndarray, scene: dict
) -> None:
    """One line of the table."""
    error = golden_inputs.pose_errors(poses, scene["poses"])
    focal = np.abs(focals / scene["focals"] - 1).mean()
    print(
        f"{name:>12} {method:>16} {cpu:8.2f} {wall:8.2f} {loss:9.5f} {error['rel_rot_deg_mean']:8.3f}° "
        f"{error['trans_rel_mean']:8.2%} {focal:7.2%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
