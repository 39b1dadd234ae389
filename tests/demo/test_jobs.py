import json
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointmap.demo.work import jobs
from pointmap.demo.work.file_names import FileNames
from pointmap.demo.work.jobs import export_job, match_job, reconstruct_job, surface_job
from pointmap.demo.work.memory import MEMORY
from pointmap.errors import Cancelled, InputError
from pointmap.matchers import TwoPhotoMatches
from pointmap.scene import Scene

ROOM = sorted((Path(jobs.__file__).parents[1] / "photos" / "room" / "images").glob("*.jpg"))


class Heard:
    """What a job says; it is cancelled at a stage, if one is named."""

    def __init__(self, stop_at=None):
        self.stages, self.views, self.reports, self.stop_at = [], [], [], stop_at

    def __call__(self, stage, done, total):
        self.stages.append(stage)
        if stage == self.stop_at:
            raise Cancelled

    def drawn(self, view):
        self.views.append(view)

    def kept(self, report):
        self.reports.append(report)


@pytest.fixture(scope="module", autouse=True)
def small_surfaces():
    """Unfolding a large one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "TARGET_FACES", 800)
        patch.setattr(jobs, "TEXTURE_SIZE", 128)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three photos of the room as a session stores them, and as a visitor called them; and what is none."""
    folder = tmp_path_factory.mktemp("session") / "photos"
    folder.mkdir()
    entries = []
    for index, name in enumerate(["sofa.jpg", "p3.jpg", "door.jpg"]):
        file = folder / f"p{index + 1}.jpg"
        file.write_bytes(ROOM[index].read_bytes())
        entries.append({"file": str(file), "name": name, "strokes": []})
    (folder / "p4.jpg").write_bytes(b"no photo")
    return [*entries, {"file": str(folder / "p4.jpg"), "name": "notes.jpg", "strokes": []}]


@pytest.fixture(scope="module")
def made(photos):
    """A finished run, with a part of the first photo painted over: (result folder, what it returned, what it said)."""
    result = Path(photos[0]["file"]).parents[1] / "result"
    result.mkdir()
    heard = Heard()
    painted = photos[0] | {"strokes": [{"radius": 0.1, "points": [[0.0, 0.1], [1.0, 0.1]]}]}
    settings = {"focal_35mm": 30.0, "depth": "network", "poses": "network", "surface": True}
    settings |= {"model": "tiny"}
    returned = reconstruct_job(result, {"photos": [painted, *photos[1:]], "settings": settings, "first_view": 5}, heard)
    return result, json.loads(json.dumps(returned)), heard


def test_photos_become_a_scene_under_the_names_of_the_visitor(made, photos):
    result, report, heard = made
    scene = Scene.load(result / "scene.npz")
    assert scene.names == ("sofa.jpg", "p3.jpg", "door.jpg")
    assert [str(path) for path in scene.paths] == [photo["file"] for photo in photos[:3]]
    assert (report["photos"], report["registered"], report["not_registered"]) == (3, 3, [])
    assert [photo["name"] for photo in report["skipped"]] == ["notes.jpg"]
    assert str(result.parent) not in json.dumps([report, scene.report])
    assert report["seconds"] > 0
    assert heard.reports[0]["registered"] == 3  # known before the surface is there


def test_views_are_numbered_on_and_the_last_two_stay(made):
    result, report, heard = made
    assert heard.views == list(range(5, 5 + len(heard.views)))
    last = heard.views[-1]
    assert sorted(path.name for path in result.glob("view-*")) == [f"view-{last - 1}.bin", f"view-{last}.bin"]
    content = (result / f"view-{last}.bin").read_bytes()
    (length,) = struct.unpack("<I", content[:4])
    about = json.loads(content[4 : 4 + length])
    assert report["surface"] is (about["surface"] is not None) is (report["no_surface"] is None) is True


def test_what_was_painted_over_is_left_out_and_the_stated_lens_is_used(made):
    scene = Scene.load(made[0] / "scene.npz")
    width = scene.depths[0].shape[1]
    assert not scene.depths[0][: round(0.15 * width)].any()
    assert scene.depths[0][round(0.25 * width) :].any()
    diagonal = np.hypot(*scene.image_sizes[0])
    np.testing.assert_allclose(scene.intrinsics[:, 0, 0], 30 * diagonal / np.hypot(36, 24), rtol=1e-4)
    np.testing.assert_allclose(scene.intrinsics[:, :2, 2], (scene.image_sizes - 1) / 2, atol=0.01)


def test_a_surface_is_made_anew_by_what_is_kept(made):
    heard = Heard()
    request = {"keep": {"confidence_percentile": 30.0, "min_confidence": None}, "first_view": 9}
    assert surface_job(made[0], request | {"target_faces": 500, "texture": False}, heard)["surface"]
    assert heard.views == [9]
    assert "fuse" in heard.stages

    none = surface_job(made[0], {"keep": {"min_confidence": 1e9}, "first_view": 10}, Heard())
    assert none["surface"] is False
    assert none["no_surface"]
    with pytest.raises(InputError, match="'colour'"):
        surface_job(made[0], {"keep": {"colour": 1}, "first_view": 11}, Heard())


def test_exports_lie_in_files_of_ours_scaled_and_once_more_in_a_zip(made, monkeypatch):
    surfaces = []
    mesh = Scene.mesh
    monkeypatch.setattr(Scene, "mesh", lambda self, **settings: surfaces.append(settings) or mesh(self, **settings))
    MEMORY.forget_scene()
    request = {"formats": ["glb", "obj", "depth", "json", "npz"], "keep": {}, "factor": 2.0, "metric": True}
    said = export_job(made[0], request, Heard())

    names = ["scene.glb", "mesh.glb", "obj.zip", "depth.zip", "cameras.json", "scene.npz"]
    assert [file["name"] for file in said["files"]] == names
    assert said["failed"] == []
    folder = made[0] / "files"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, said["zip"]])
    assert all(file["bytes"] == (folder / file["name"]).stat().st_size for file in said["files"])
    assert len(surfaces) == 1  # two formats, one surface
    export_job(made[0], request | {"formats": ["obj"], "keep": {"mask_sky": False, "min_confidence": None}}, Heard())
    assert len(surfaces) == 1  # nothing else was kept
    export_job(made[0], request, Heard())

    own, exported = Scene.load(made[0] / "scene.npz"), Scene.load(folder / "scene.npz")
    np.testing.assert_allclose(exported.world_from_cam[2, :3, 3], 2 * own.world_from_cam[2, :3, 3], rtol=1e-6)
    assert exported.metric
    assert exported.paths == (None, None, None)
    with zipfile.ZipFile(folder / said["zip"]) as archive:
        inside = archive.namelist()
    assert {"cameras.json", "obj/mesh.obj", "glb/mesh.glb", "depth/depth/sofa.npz"} <= set(inside)


def test_a_format_that_fails_does_not_stop_the_others(made, monkeypatch):
    def full(scene, path, *, mesh=None):
        path.write_bytes(b"half")
        raise InputError("the disk is full")

    monkeypatch.setattr("pointmap.export.tum.write_tum", full)
    said = export_job(made[0], {"formats": ["tum", "json"], "keep": {}}, Heard())
    assert [file["name"] for file in said["files"]] == ["cameras.json"]
    assert said["failed"] == [{"format": "tum", "reason": "the disk is full"}]
    assert said["zip"] is None
    assert [path.name for path in (made[0] / "files").iterdir()] == ["cameras.json"]  # of the last export

    with pytest.raises(InputError, match="'exe'"):
        export_job(made[0], {"formats": ["exe"]}, Heard())


def test_a_cancelled_run_leaves_no_scene_and_nothing_half_written(photos, tmp_path):
    request = {"photos": photos[:2], "settings": {"model": "tiny"}, "first_view": 1}
    with pytest.raises(Cancelled):
        reconstruct_job(tmp_path, request, Heard(stop_at="keypoints"))
    assert all(re.fullmatch(r"view-\d+\.bin", path.name) for path in tmp_path.iterdir())
    with pytest.raises(InputError, match="no scene yet"):
        export_job(tmp_path, {"formats": ["glb"]}, Heard())


def test_a_folder_that_is_gone_does_not_come_back(photos, tmp_path, monkeypatch):
    found = TwoPhotoMatches(0, 0, np.zeros((2, 3, 3), np.uint8))
    monkeypatch.setattr("pointmap.matchers.match_two_photos", lambda *photos: found)
    gone = tmp_path / "gone"
    with pytest.raises(Cancelled):
        match_job(gone, {"photos": photos[:2]}, Heard())
    assert not gone.exists()


def test_matches_of_two_photos_are_counted_and_drawn(photos, tmp_path):
    said = match_job(tmp_path, {"photos": photos[:2], "matcher": "sift"}, Heard())
    assert said["matches"] >= said["agreed"] > 10
    assert Image.open(tmp_path / "matches.jpg").format == "JPEG"
    with pytest.raises(InputError, match=r"notes\.jpg"):
        match_job(tmp_path, {"photos": photos[2:]}, Heard())
    with pytest.raises(InputError, match="superglue"):
        match_job(tmp_path, {"photos": photos[:2], "matcher": "superglue"}, Heard())


def test_settings_that_visitors_may_not_choose_reach_nothing(photos, tmp_path):
    with pytest.raises(InputError, match="model"):
        reconstruct_job(tmp_path, {"photos": photos, "settings": {"model": "/etc"}, "first_view": 1}, Heard())


def test_names_replace_files_and_nothing_else():
    names = FileNames([{"file": "/a/b/p1.jpg", "name": "p11.jpg"}, {"file": "/a/b/p11.jpg", "name": "door.jpg"}])
    assert names.in_words("Cannot read '/a/b/p1.jpg': no photo") == "Cannot read 'p11.jpg': no photo"
    assert names.in_words("p1.jpg, p11.jpg and xp1.jpg, p1.jpgs.") == "p11.jpg, door.jpg and xp1.jpg, p1.jpgs."
