"""Where the yardstick starts without our aligner: similarities along the spanning tree of the surest pairs.

As DUSt3R starts (Wang et al., CVPR 2024, section 3.4), but each photo with a focal length of its own, and closed forms
throughout: nothing here asks whether pairs agree.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch import Tensor

from pointmap.geometry.focal import estimate_focal
from pointmap.geometry.similarity import fit_similarity, split_similarity
from pointmap.geometry.transforms import transform_points
from pointmap.scene import Group

from .adam_unknowns import Unknowns


def tree_start(groups: Sequence[Group], centres: np.ndarray) -> Unknowns:
    """Cameras, groups and depths along the tree.

    Args:
        groups: Pairs; every view is the first one of a pair.
        centres: (N, 2) principal points.
    """
    count = len(centres)
    points = [[torch.as_tensor(p).reshape(-1, 3).double() for p in group.points] for group in groups]
    weights = [[torch.as_tensor(c).flatten().double() for c in group.confidences] for group in groups]
    scores = np.array([float(first.mean() * second.mean()) for first, second in weights])
    by_pair = {group.views: number for number, group in enumerate(groups)}
    best = {}
    for (i, j), number in by_pair.items():
        pair = min(i, j), max(i, j)
        best[pair] = max(best.get(pair, number), number, key=lambda g: scores[g])
    rows, columns = np.array(list(best)).T
    tree = minimum_spanning_tree(coo_matrix((1 / scores[list(best.values())], (rows, columns)), shape=(count, count)))
    root = max(best, key=lambda pair: scores[best[pair]])[0]
    order, parents = breadth_first_order(tree, root, directed=False)

    own = [
        max((g for g, group in enumerate(groups) if group.views[0] == v), key=lambda g: scores[g]) for v in range(count)
    ]
    in_world: list[Tensor] = [points[own[root]][0]] * count
    for view in order[1:].tolist():
        parent = int(parents[view])
        number = best[min(view, parent), max(view, parent)]
        at, new = (groups[number].views.index(v) for v in (parent, view))
        world_from_group = fit_similarity(points[number][at], in_world[parent], weights[number][at])
        in_world[view] = transform_points(world_from_group, points[number][new])

    def fit(group: int, slots: Sequence[int]) -> Tensor:
        source, target = (
            [part[s] for s in slots] for part in (points[group], [in_world[v] for v in groups[group].views])
        )
        return fit_similarity(torch.cat(source), torch.cat(target), torch.cat([weights[group][s] for s in slots]))

    cameras = torch.stack([fit(group, [0]) for group in own])  # the group of each view whose frame is its camera's
    scale, rotation, centre = split_similarity(cameras)
    world_from_cam = torch.eye(4).double().repeat(count, 1, 1)
    world_from_cam[:, :3, :3], world_from_cam[:, :3, 3] = rotation, centre
    focals = [
        estimate_focal(torch.as_tensor(groups[g].points[0]), torch.from_numpy(centres[v]).float(), limits=(0.5, 3.5))
        for v, g in enumerate(own)
    ]
    depths = [
        ((world - centre[view]) @ rotation[view])[:, 2].clamp_min(1e-3 * scale[view]).numpy()
        for view, world in enumerate(in_world)
    ]
    world_from_group = torch.stack([fit(g, [0, 1]) for g in range(len(groups))])
    return Unknowns.of(world_from_cam.numpy(), world_from_group.numpy(), np.array([float(f) for f in focals]), depths)
