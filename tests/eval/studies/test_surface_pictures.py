import numpy as np
from PIL import Image
from scenes import make_scene

from pointmap.eval.studies.surface_pictures import draw_scene


def test_cloud_mesh_and_texture_stand_side_by_side(tmp_path):
    draw_scene(
        make_scene(scale=2, num_photos=3),
        tmp_path / "room.jpg",
        azimuth_deg=10.0,
        elevation_deg=10.0,
        target_faces=2000,
        texture_size=256,
    )

    with Image.open(tmp_path / "room.jpg") as image:
        cloud, grey, textured = np.split(np.asarray(image.convert("RGB")).astype(int), 3, axis=1)
    for panel in (cloud, grey, textured):
        assert (panel.min(axis=-1) < 230).mean() > 0.1  # something before the white
    assert np.ptp(grey, axis=-1).max() < 90 < np.ptp(textured, axis=-1).max()
