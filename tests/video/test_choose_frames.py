"""Which frames of a video are taken: sharp, evenly over its length, with motion between them, and nothing half-done."""

import cv2
import numpy as np
import pytest
from example_videos import HEIGHT, WIDTH, pan, place_in, read, seconds, texture, write_video

from pointmap.errors import Cancelled, InputError
from pointmap.video import choose_frames


def test_frames_are_called_by_the_time_at_which_they_are_shown(tmp_path):
    strip = texture(500)
    # The default preset reorders frames (B-frames), which files hold in the order of decoding.
    video = write_video(tmp_path / "pan.mp4", pan(strip, 30, 8), options={"crf": "12", "bf": "3"})

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=4)

    assert 8 <= len(frames) <= 12
    for frame in frames:
        assert place_in(strip, read(frame)) == round(10 * seconds(frame)) * 8


def test_every_span_gives_its_sharpest_frame(tmp_path):
    blurred = [cv2.blur(picture, (7, 1)) for picture in pan(texture(700), 60, 8)]
    pictures = [sharp if index % 5 == 3 else blurred[index] for index, sharp in enumerate(pan(texture(700), 60, 8))]
    video = write_video(tmp_path / "shaken.mp4", pictures)

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=2)

    assert len(frames) == 12
    assert {round(10 * seconds(frame)) % 5 for frame in frames} == {3}


def test_frames_of_a_scene_with_little_texture_are_as_dense_as_others(tmp_path):
    strip = texture(900).astype(np.float32)
    strip[:, 450:] = 128 + 0.1 * (strip[:, 450:] - 128)
    video = write_video(tmp_path / "wall.mp4", pan(strip.astype(np.uint8), 80, 8))

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=2)

    places = [8 * 10 * seconds(frame) for frame in frames]
    assert len(frames) == 16
    assert np.diff(places).max() <= 80


def test_a_camera_that_stands_still_in_between_gives_frames_of_the_motion(tmp_path):
    way = pan(texture(700), 50, 8)
    video = write_video(tmp_path / "rest.mp4", way[:25] + 60 * [way[25]] + way[26:])

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=2)

    rest = [frame for frame in frames if 2.6 < seconds(frame) < 8.4]
    assert len(rest) <= 1
    assert len(frames) >= 9


def test_a_camera_that_never_moves_gives_two_frames(tmp_path):
    pictures = [texture(WIDTH) for _ in range(40)]
    for index, picture in enumerate(pictures):
        picture[40:60, 4 * index // 2 : 4 * index // 2 + 20] = 255  # somebody walks through the picture
    video = write_video(tmp_path / "tripod.mp4", pictures)

    assert len(choose_frames(video, tmp_path / "frames")) == 2


def test_two_frames_within_one_span_are_both_taken(tmp_path):
    video = write_video(tmp_path / "short.mp4", pan(texture(300), 2, 30))

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=1)

    assert [frame.name for frame in frames] == ["frame_0000.000.jpg", "frame_0000.100.jpg"]


def test_a_video_of_one_picture_gives_it_once(tmp_path):
    video = write_video(tmp_path / "slide.mp4", 30 * [texture(WIDTH)])

    assert len(choose_frames(video, tmp_path / "frames")) == 1


@pytest.mark.parametrize("claims_length", [True, False])
def test_too_many_frames_are_thinned_evenly_over_the_whole_video(tmp_path, claims_length):
    options = {} if claims_length else {"live": "1"}
    video = write_video(tmp_path / "long.mkv", pan(texture(2100), 240, 8), container_options=options)

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=4, most=9)

    times = np.array([seconds(frame) for frame in frames])
    assert len(frames) == 9
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == [frame.name for frame in frames]
    assert times[0] < 4
    assert times[-1] > 20
    assert np.diff(times).max() < 6


def test_frames_at_uneven_times_are_chosen_by_time_not_by_number(tmp_path):
    # Ten pictures in the first second, then one in each.
    times_ms = [*range(0, 1000, 100), *range(1000, 9000, 1000)]
    video = write_video(tmp_path / "vfr.mkv", pan(texture(900), len(times_ms), 24), times_ms=times_ms)

    frames = choose_frames(video, tmp_path / "frames", frames_per_second=1)

    assert [int(seconds(frame)) for frame in frames] == list(range(9))
    assert [seconds(frame) for frame in frames[1:]] == [float(second) for second in range(1, 9)]


def test_a_longer_video_than_allowed_is_refused_with_what_to_do(tmp_path):
    video = write_video(tmp_path / "long.mp4", pan(texture(900), 90, 8))

    with pytest.raises(InputError, match=r"'long.mp4' is 9 seconds long; videos of up to 5 seconds are taken. Cut it"):
        choose_frames(video, tmp_path / "frames", max_seconds=5)
    assert len(choose_frames(video, tmp_path / "frames", max_seconds=9)) > 10


def test_a_video_that_does_not_say_its_length_is_refused_once_it_is_too_long(tmp_path):
    video = write_video(tmp_path / "stream.mkv", pan(texture(900), 90, 8), container_options={"live": "1"})

    with pytest.raises(InputError, match="videos of up to 5 seconds"):
        choose_frames(video, tmp_path / "frames", max_seconds=5)
    assert not (tmp_path / "frames").exists()


def test_progress_ends_at_a_hundred_and_cancelling_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("pointmap.video.choose._TELL_SECONDS", 0.0)
    video = write_video(tmp_path / "pan.mp4", pan(texture(500), 40, 8))
    told = []
    choose_frames(video, tmp_path / "first", progress=lambda *news: told.append(news))
    assert told[-1] == ("frames", 100, 100)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)

    def stop(stage, done, total):
        if done > 50:
            raise Cancelled

    kept = tmp_path / "second" / "mine.txt"
    kept.parent.mkdir()
    kept.touch()
    for folder in ("second", "third"):
        with pytest.raises(Cancelled):
            choose_frames(video, tmp_path / folder, progress=stop)
    assert list(kept.parent.iterdir()) == [kept]
    assert not (tmp_path / "third").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"frames_per_second": 0}, "Cannot take 0 frames per second"), ({"most": 1}, "at most 1 frames")],
)
def test_settings_without_sense_are_refused(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        choose_frames(tmp_path / "any.mp4", tmp_path, **settings)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    video = write_video(tmp_path / "pan.mp4", pan(texture(300), 5, 8))
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="Cannot write frames into"):
        choose_frames(video, tmp_path / "file")


def test_large_frames_keep_their_size(tmp_path):
    video = write_video(tmp_path / "large.mp4", [texture(1280, 6 * HEIGHT, seed) for seed in (0, 1)])

    assert [read(frame).shape for frame in choose_frames(video, tmp_path / "frames")] == [(720, 1280, 3)] * 2
