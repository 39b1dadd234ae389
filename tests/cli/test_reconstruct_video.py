"""A video on the command line: frames of it in OUT/frames, found there again by a second run."""

import sys
from pathlib import Path

from scenes import make_scene

sys.path.insert(0, str(Path(__file__).parents[1] / "video"))
from example_videos import pan, texture, write_video

from pointmap.cli.reconstruct import reconstruct


def test_frames_of_a_video_lie_beside_the_scene_so_that_textures_find_them(tmp_path, monkeypatch):
    given = []

    def run(photos, **settings):
        given.append(photos)
        return make_scene(num_photos=2)

    monkeypatch.setattr("pointmap.pipeline.reconstruct", run)
    monkeypatch.setattr("pointmap.export.folder.write_outputs", lambda *scene, **settings: [])
    clip = write_video(tmp_path / "clip.mp4", pan(texture(400), 20, 10))

    reconstruct((str(clip),), output=tmp_path / "out", quiet=True)
    monkeypatch.setattr("pointmap.video_photos.choose_frames", None)
    reconstruct((str(clip),), output=tmp_path / "out", quiet=True)
    monkeypatch.undo()

    assert given[0] == given[1] == sorted((tmp_path / "out" / "frames" / "clip").glob("frame_*.jpg"))
    assert len(given[0]) == 4


def test_the_rate_is_taken_from_the_command_line(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr("pointmap.pipeline.reconstruct", lambda photos, **_: given.extend(photos) or make_scene())
    monkeypatch.setattr("pointmap.export.folder.write_outputs", lambda *scene, **settings: [])
    clip = write_video(tmp_path / "clip.mp4", pan(texture(400), 20, 10))

    reconstruct((str(clip),), output=tmp_path / "out", fps=1.0, quiet=True)

    assert len(given) == 2
