import pytest
from scenes import make_scene

from pointmap.cli.reconstruct import reconstruct


@pytest.mark.parametrize("given", [{}, {"consistency": 0.1, "mask_sky": True}, {"confidence_percentile": 20.0}])
def test_what_is_kept_is_left_to_clouds_and_meshes_unless_it_is_said(given, tmp_path, monkeypatch):
    seen = {}

    def write(scene, out, *, mesh, max_points, target_faces, texture_size, progress, **keep):
        seen.update(keep)
        return []

    monkeypatch.setattr("pointmap.pipeline.reconstruct", lambda photos, **settings: make_scene(num_photos=2))
    monkeypatch.setattr("pointmap.export.folder.write_outputs", write)

    reconstruct(("photos/",), output=tmp_path / "out", quiet=True, **given)

    assert seen == {"mask_sky": False} | given
