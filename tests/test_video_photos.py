"""Videos given where photos are expected: frames take their place."""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "video"))
from example_videos import pan, texture, write_video

from pointmap.errors import InputError
from pointmap.images import load_views
from pointmap.video_photos import expand_videos


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "clip.mp4", pan(texture(400), 20, 10))


def photo(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(texture(160)).save(path)
    return path


def test_photos_alone_stay_as_they_are(tmp_path):
    one = photo(tmp_path / "a.jpg")
    for photos in (str(tmp_path), one, [one, str(one)], [Image.open(one), np.zeros((8, 8, 3), np.uint8)], "absent/"):
        assert expand_videos(photos, tmp_path / "frames") is photos
    assert not (tmp_path / "frames").exists()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_video_becomes_its_frames_in_a_folder_of_its_name(tmp_path, clip, kind):
    frames = expand_videos(kind(clip), tmp_path / "frames")

    assert len(frames) == 4
    assert {frame.parent for frame in frames} == {tmp_path / "frames" / "clip"}
    assert [view.name for view in load_views(frames, image_size=64, patch_size=16).views] == [
        frame.name for frame in frames
    ]


def test_videos_stand_among_photos_in_order(tmp_path, clip):
    before, after = photo(tmp_path / "a.jpg"), Image.fromarray(texture(160))
    again = shutil.copy(clip, tmp_path / "Clip.mov")

    sources = expand_videos([before, clip, after, again], tmp_path / "frames", frames_per_second=1)

    assert sources[0] == before
    assert sources[3] is after
    assert [source.parent.name for source in (*sources[1:3], *sources[4:])] == ["clip", "clip", "Clip_2", "Clip_2"]


def test_a_folder_or_glob_of_videos_is_expanded_but_videos_beside_photos_are_not(tmp_path, clip):
    folder = tmp_path / "holiday"
    folder.mkdir()
    for name in ("b.mp4", "a.mp4"):
        shutil.copy(clip, folder / name)
    (folder / "notes.txt").write_text("sunny")

    for given in (folder, str(folder / "*.mp4")):
        frames = expand_videos(given, tmp_path / "frames")
        assert [frame.parent.name for frame in frames] == 4 * ["a"] + 4 * ["b"]

    photo(folder / "live.jpg")  # phones write a short video beside every photo
    assert expand_videos(folder, tmp_path / "frames") is folder


def test_a_second_run_takes_the_frames_that_are_there(tmp_path, clip):
    first = expand_videos(clip, tmp_path / "frames")
    first[0].write_bytes(first[1].read_bytes())

    assert expand_videos(clip, tmp_path / "frames") == first
    assert first[0].read_bytes() == first[1].read_bytes()


def test_other_settings_another_video_or_lost_frames_are_chosen_anew(tmp_path, clip):
    video = Path(shutil.copy(clip, tmp_path / "clip.mp4"))
    home = tmp_path / "frames" / "clip"
    (mine := photo(home.parent / "mine.jpg")).touch()

    def files():
        return sorted(path for path in home.iterdir() if path.suffix == ".jpg")

    first = expand_videos(video, home.parent)
    fewer = expand_videos(video, home.parent, frames_per_second=1)
    assert len(fewer) == 2
    assert files() == fewer

    assert expand_videos(video, home.parent) == first
    first[0].unlink()
    assert expand_videos(video, home.parent) == first
    assert files() == first

    write_video(video, pan(texture(400), 10, 10))
    assert len(expand_videos(video, home.parent)) == 2
    (home / "frames.json").write_text(json.dumps([1, 2]))
    assert files() == expand_videos(video, home.parent)
    assert mine.exists()


def test_without_a_folder_frames_last_as_long_as_the_process(clip):
    frames = expand_videos(clip)

    assert all(frame.is_file() for frame in frames)


def test_a_damaged_video_is_an_error_that_names_it(tmp_path, clip):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:-1500])

    with pytest.raises(InputError, match=r"'cut.mp4' cannot be read as a video"):
        expand_videos([clip, cut], tmp_path / "frames")


def test_where_frames_are_not_chosen_a_video_is_skipped_as_one(tmp_path, clip):
    packed = tmp_path / "all.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photo(tmp_path / "a.jpg"), "a.jpg")
        archive.write(clip, "clip.mp4")
    assert expand_videos(packed, tmp_path / "frames") is packed

    loaded = load_views([tmp_path / "a.jpg", clip], image_size=64, patch_size=16)
    assert [skipped.reason for skipped in loaded.skipped] == ["it is a video, not a photo"]
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(clip, "clip.mp4")
    with pytest.raises(InputError, match="it is a video, not a photo; unpack the zip first"):
        load_views(packed, image_size=64, patch_size=16)
