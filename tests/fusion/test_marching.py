import numpy as np
import torch

from pointmap.fusion.blocks import SIDE, distinct, voxel_offsets
from pointmap.fusion.marching import Bricks, extract_surface

CENTRE, RADIUS = torch.tensor([3.3, -8.2, 61.1]), 40.0
"""In voxels: a ball over eight bricks."""


def ball_blocks() -> torch.Tensor:
    """All blocks near the ball's surface."""
    axes = [torch.arange(int((c - RADIUS - 4) // SIDE), int((c + RADIUS + 4) // SIDE) + 1) for c in CENTRE.tolist()]
    blocks = torch.cartesian_prod(*axes)
    middle = (blocks + 0.5) * SIDE
    return blocks[((middle - CENTRE).norm(dim=-1) - RADIUS).abs() < 2 * SIDE]


def voxels_of(blocks: torch.Tensor) -> torch.Tensor:
    return (blocks[:, None] * SIDE + voxel_offsets("cpu")).float()


def ball_bricks(blocks: torch.Tensor) -> Bricks:
    points = voxels_of(blocks)
    distance = (points - CENTRE).norm(dim=-1) - RADIUS
    return Bricks(distance, torch.ones_like(distance, dtype=torch.bool), 100 + points)


def test_a_ball_over_many_bricks_is_one_closed_surface():
    import trimesh

    blocks = ball_blocks()
    vertices, faces, _ = extract_surface(blocks, lambda slots: ball_bricks(blocks[slots]))
    mesh = trimesh.Trimesh(vertices, faces, process=False)

    assert distinct(blocks.mT.div(8, rounding_mode="floor")).shape[1] >= 8
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    assert mesh.volume > 0  # faces look towards positive distances
    assert len(np.unique(vertices.round(5), axis=0)) == len(vertices)
    np.testing.assert_allclose(np.linalg.norm(vertices - CENTRE.numpy(), axis=1), RADIUS, atol=0.02)


def test_vertices_have_the_colour_between_their_voxels():
    blocks = ball_blocks()
    vertices, _, colors = extract_surface(blocks, lambda slots: ball_bricks(blocks[slots]))

    np.testing.assert_allclose(colors, 100 + vertices, atol=0.51)  # whole grey levels


def test_cells_with_an_unobserved_corner_have_no_surface():
    blocks = ball_blocks()

    def half(slots: torch.Tensor) -> Bricks:
        bricks = ball_bricks(blocks[slots])
        return Bricks(bricks.distance, voxels_of(blocks[slots])[..., 2] <= 61, None)

    vertices, _, colors = extract_surface(blocks, half)

    assert vertices[:, 2].max() == 61
    assert len(colors) == 0


def test_no_surface_where_all_distances_have_one_sign():
    blocks = ball_blocks()
    vertices, faces, _ = extract_surface(
        blocks, lambda slots: Bricks(torch.ones(len(slots), SIDE**3), torch.ones(len(slots), SIDE**3).bool(), None)
    )

    assert len(vertices) == len(faces) == 0


def test_no_blocks_make_an_empty_surface():
    vertices, faces, colors = extract_surface(torch.zeros(0, 3, dtype=torch.int64), ball_bricks)

    assert vertices.shape == faces.shape == colors.shape == (0, 3)


def test_distances_of_exactly_zero_make_no_double_vertices():
    blocks = torch.cartesian_prod(torch.arange(-2, 2), torch.arange(-2, 2), torch.arange(-2, 2))
    vertices, _, _ = extract_surface(
        blocks,
        lambda slots: Bricks(voxels_of(blocks[slots])[..., 2], torch.ones(len(slots), SIDE**3).bool(), None),
    )

    assert len(vertices) == (4 * SIDE) ** 2
    assert len(np.unique(vertices.round(2), axis=0)) == len(vertices)
