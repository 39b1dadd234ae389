"""Every pixel off by another factor, and surest where it is worst."""

from dataclasses import replace

import numpy as np
from distortions.depth import median_kept

from pointmap.eval.estimate import Estimate
from pointmap.eval.protocols.confidence import Confidence
from pointmap.eval.task import Task


def distort(scoring: Confidence, task: Task) -> tuple[Estimate, dict[str, tuple[float, float]]] | None:
    """An estimate, and by name of metric the value that theory predicts with its tolerance."""
    truth = Estimate.of_truth(task)
    photos = [index for index, depth in enumerate(truth.depths) if depth is not None and (depth > 0).any()]
    if not photos:
        return None
    depths, confidences = list(truth.depths), list(truth.confidences)
    errors = []
    for group in [[index] for index in photos] if task.inputs.kind == "single" else [photos]:
        masks = [truth.depths[index] > 0 for index in group]
        true = np.concatenate([truth.depths[i][mask] for i, mask in zip(group, masks, strict=True)]).astype(np.float64)
        factors = 1.02 + 0.3 * np.random.default_rng(0).permutation(len(true)) / len(true)
        changed = median_kept(true, factors)
        off = np.abs(changed / true - 1)
        errors.append(off)
        start = 0
        for index, mask in zip(group, masks, strict=True):
            part = slice(start, start := start + int(mask.sum()))
            depths[index], confidences[index] = np.zeros(mask.shape, np.float32), np.zeros(mask.shape)
            depths[index][mask], confidences[index][mask] = changed[part], off[part]
    ranked = np.sort(np.concatenate(errors))
    if len(ranked) > scoring.limit:
        return None
    taken = [int(np.ceil(step * len(ranked) / 50 - 1e-9)) for step in range(1, 51)]
    oracle = float(np.mean([ranked[:count].mean() for count in taken]))
    risk = float(np.mean([ranked[-count:].mean() for count in taken]))
    estimate = replace(truth, depths=tuple(depths), confidences=tuple(confidences))
    return estimate, {"aurc": (risk, 1e-4), "ause": (risk - oracle, 1e-4), "spearman": (-1.0, 1e-2)}
