import numpy as np
import pytest
from shapes import ball, sheet

from pointmap.fusion.smoothing import smoothed
from pointmap.fusion.triangles import Triangles


def test_noise_goes_and_size_stays():
    mesh = ball(5)
    noise = 0.3 * mesh.edge_length * np.random.default_rng(0).normal(size=(len(mesh.vertices), 1))
    rough = Triangles(mesh.vertices * (1 + noise), mesh.faces, mesh.colors)

    smooth = smoothed(rough, 15)

    def error(surface: Triangles) -> float:
        return float(np.sqrt(np.mean((np.linalg.norm(surface.vertices, axis=1) - 1) ** 2)))

    assert error(smooth) < 0.5 * error(rough)
    assert smooth.to_mesh().volume == pytest.approx(mesh.to_mesh().volume, rel=5e-3)

    def tilt_deg(surface: Triangles) -> float:
        cosine = (surface.vertex_normals * mesh.vertex_normals).sum(axis=1)
        return float(np.degrees(np.median(np.arccos(cosine.clip(-1, 1)))))

    assert tilt_deg(smooth) < 0.4 * tilt_deg(rough)


def test_a_flat_sheet_keeps_its_area():
    smooth = smoothed(sheet(), 10)

    assert np.abs(smooth.vertices[:, 2]).max() == 0
    assert smooth.areas.sum() == pytest.approx(29 * 39, rel=0.01)


def test_jagged_borders_become_even():
    whole = sheet()
    x, y = whole.vertices[:, 0], whole.vertices[:, 1]
    teeth = whole.with_faces((y < 25 + (x % 4) / 2)[whole.faces].all(axis=1))

    smooth = smoothed(teeth, 20)

    edge = smooth.vertices[(smooth.vertices[:, 1] > 22) & (np.abs(smooth.vertices[:, 0] - 20) < 12)]
    rows = [edge[np.abs(edge[:, 0] - at) < 1.5, 1].max() for at in range(10, 30)]
    assert np.ptp(rows) < 0.6


def test_nothing_is_done_without_rounds_or_faces():
    assert smoothed(ball(1), 0).vertices is not None
    np.testing.assert_array_equal(smoothed(ball(1), 0).vertices, ball(1).vertices)
    nothing = Triangles(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    assert len(smoothed(nothing, 5).faces) == 0
