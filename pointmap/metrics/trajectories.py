"""How far camera centres and steps are off after the frames of the two worlds are brought together."""

from torch import Tensor

from pointmap.geometry.similarity import fit_similarity
from pointmap.geometry.transforms import transform_points
from pointmap.metrics.poses import is_known
from pointmap.shapes import Float


def absolute_trajectory_error(
    world_from_cam: Float[Tensor, "views 4 4"], true_world_from_cam: Float[Tensor, "views 4 4"]
) -> float:
    """Root mean square distance of the camera centres after the similarity that fits them best.

    In units of the true world. Only photos known on both sides take part; NaN if there is none.
    """
    known = is_known(world_from_cam) & is_known(true_world_from_cam)
    centres, true_centres = world_from_cam[known, :3, 3].double(), true_world_from_cam[known, :3, 3].double()
    true_from_world = fit_similarity(centres, true_centres)
    return (transform_points(true_from_world, centres) - true_centres).square().sum(-1).mean().sqrt().item()
