"""Videos as they come: in all packings, lying on their side, damaged; and what only looks like one."""

from fractions import Fraction

import av
import numpy as np
import pytest
from example_videos import HEIGHT, WIDTH, pan, read, seconds, set_display_matrix, texture, write_sound, write_video
from PIL import Image

from pointmap.errors import InputError
from pointmap.video import choose_frames, is_video

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def four_corners() -> np.ndarray:
    """Red and green above, blue and white below."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2], picture[: HEIGHT // 2, WIDTH // 2 :] = RED, GREEN
    picture[HEIGHT // 2 :, : WIDTH // 2], picture[HEIGHT // 2 :, WIDTH // 2 :] = BLUE, WHITE
    return picture


def corners(picture: np.ndarray) -> list[tuple[int, ...]]:
    """Upper left, upper right, lower left, lower right, as pure colours."""
    return [tuple((255 * (picture[v, u] > 128)).tolist()) for v in (9, -10) for u in (9, -10)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("a.mp4", "libx264"), ("a.mp4", "mpeg4"), ("a.mov", "mjpeg"), ("a.mkv", "libx264"), ("a.webm", "libvpx")),
        *(("a.avi", "mpeg4"), ("a.ts", "mpeg2video"), ("a.mpg", "mpeg2video"), ("a.flv", "flv"), ("a.wmv", "wmv2")),
        *(("a.3gp", "mpeg4"), ("a.m2ts", "libx264"), ("a.mkv", "ffv1")),
    ],
)
def test_common_packings_are_told_by_content_and_read(tmp_path, name, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg cannot write {codec}")
    file = write_video(tmp_path / name, pan(texture(400), 20, 10), codec=codec, fps=25)
    renamed = file.rename(tmp_path / "upload")

    assert is_video(renamed)
    frames = choose_frames(renamed, tmp_path / "frames", frames_per_second=5)
    assert len(frames) == 4
    assert read(frames[0]).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), [RED, GREEN, BLUE, WHITE]),
        ((0, 1, -1, 0), [BLUE, RED, WHITE, GREEN]),  # a phone held upright: a quarter clockwise
        ((-1, 0, 0, -1), [WHITE, BLUE, GREEN, RED]),
        ((0, -1, 1, 0), [GREEN, WHITE, RED, BLUE]),
        ((-1, 0, 0, 1), [GREEN, RED, WHITE, BLUE]),  # mirrored, as some front cameras are
        ((0, 1, 1, 0), [RED, BLUE, GREEN, WHITE]),
    ],
)
def test_frames_are_upright_as_the_file_says(tmp_path, matrix, shown):
    video = set_display_matrix(write_video(tmp_path / "phone.mp4", 3 * [four_corners()]), *matrix)

    (frame,) = choose_frames(video, tmp_path / "frames")

    assert corners(read(frame)) == shown
    assert read(frame).shape == ((WIDTH, HEIGHT, 3) if matrix[0] == 0 else (HEIGHT, WIDTH, 3))


@pytest.mark.parametrize(("ratio", "size"), [(Fraction(4, 3), (HEIGHT, 213)), (Fraction(8, 9), (135, WIDTH))])
def test_pixels_become_square(tmp_path, ratio, size):
    video = write_video(tmp_path / "tape.mkv", 3 * [four_corners()], pixel_ratio=ratio)

    (frame,) = choose_frames(video, tmp_path / "frames")

    assert read(frame).shape == (*size, 3)


@pytest.mark.parametrize(
    ("height", "matrix", "says"), [(720, "ITU709", None), (120, "ITU601", None), (120, "ITU709", 1)]
)
def test_colours_are_those_that_were_filmed_whether_the_file_says_how_they_are_stored_or_not(
    tmp_path, height, matrix, says
):
    green = np.full((height, WIDTH, 3), (40, 200, 90), np.uint8)
    with av.open(str(tmp_path / "green.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = height, WIDTH, "yuv420p"
        if says is not None:
            stream.codec_context.colorspace = says
        frame = av.VideoFrame.from_ndarray(green, format="rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace = 2 if says is None else says  # 2: not said
        container.mux(stream.encode(frame))
        container.mux(stream.encode())

    (frame,) = choose_frames(tmp_path / "green.mp4", tmp_path / "frames")

    np.testing.assert_allclose(read(frame)[height // 2, WIDTH // 2], (40, 200, 90), atol=6)


@pytest.mark.parametrize(
    ("name", "options"), [("cut.mkv", {}), ("cut.avi", {}), ("cut.mp4", {"movflags": "faststart"}), ("cut.ts", {})]
)
def test_of_a_file_that_breaks_off_the_beginning_is_used(tmp_path, name, options):
    pictures = pan(texture(1000), 100, 8)
    video = write_video(tmp_path / name, pictures, container_options=options, options={"g": "10"})
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 6 // 10])

    frames = choose_frames(video, tmp_path / "frames")

    assert 9 <= len(frames) <= 14
    assert 4 < seconds(frames[-1]) < 7


def test_damage_in_the_middle_costs_only_what_is_damaged(tmp_path):
    video = write_video(tmp_path / "hole.ts", pan(texture(1000), 100, 8), options={"g": "10"})
    content = bytearray(video.read_bytes())
    hole = slice(len(content) * 4 // 10, len(content) * 5 // 10)
    content[hole] = np.random.default_rng(0).bytes(hole.stop - hole.start)
    video.write_bytes(content)

    frames = choose_frames(video, tmp_path / "frames")

    assert seconds(frames[-1]) > 9
    assert 15 <= len(frames) <= 20


def test_whatever_is_damaged_the_message_is_one_for_people(tmp_path, capfd):
    random = np.random.default_rng(1)
    for name, codec in (("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "mpeg2video")):
        whole = write_video(tmp_path / name, pan(texture(300), 10, 10), codec=codec).read_bytes()
        for attempt in range(10):
            content = np.frombuffer(whole, np.uint8).copy()
            content[random.integers(0, 600, 20)] = random.integers(0, 256, 20)
            (tmp_path / name).write_bytes(content.tobytes())
            try:
                assert choose_frames(tmp_path / name, tmp_path / f"{name}-{attempt}")
            except InputError as error:
                assert repr(name) in str(error)  # noqa: PT017
    assert capfd.readouterr().err == ""


def test_joined_recordings_whose_clock_begins_anew_follow_each_other(tmp_path):
    way = pan(texture(600), 40, 8)
    parts = [write_video(tmp_path / f"{half}.ts", way[20 * half : 20 * half + 20]) for half in (0, 1)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))

    frames = choose_frames(joined, tmp_path / "frames")

    assert [round(seconds(frame) * 2) // 1 for frame in frames][-1] >= 7
    assert len(frames) == 8


def test_a_recording_that_was_never_finished_says_so(tmp_path):
    video = write_video(tmp_path / "battery.mp4", pan(texture(1000), 50, 8))
    video.write_bytes(video.read_bytes()[:-1500])  # the table of contents comes last

    with pytest.raises(InputError, match=r"'battery.mp4' cannot be read as a video .* copy it again"):
        choose_frames(video, tmp_path / "frames")
    assert not (tmp_path / "frames").exists()


def test_sound_alone_is_refused(tmp_path):
    sound = write_sound(tmp_path / "song.m4a")
    assert not is_video(sound)
    with pytest.raises(InputError, match=r"'song.m4a' is not a video"):
        choose_frames(sound, tmp_path / "frames")

    sound = write_sound(tmp_path / "song.mp4")
    with pytest.raises(InputError, match="holds sound but no pictures"):
        choose_frames(sound, tmp_path / "frames")


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "avif", "bmp", "tiff"])
def test_pictures_are_no_videos_whatever_they_are_called(tmp_path, ending):
    file = tmp_path / f"picture.{ending}"
    Image.fromarray(four_corners()).save(file)
    renamed = file.rename(tmp_path / "picture.mp4")

    assert not is_video(renamed)
    with pytest.raises(InputError, match=r"'picture.mp4' is not a video. MP4, MOV, .* can be read"):
        choose_frames(renamed, tmp_path / "frames")


@pytest.mark.parametrize("content", [b"", b"\0", b"Our free trial ends", b"GGG", b"RIFF\0\0\0\0WAVE", bytes(5000)])
def test_other_files_are_no_videos(tmp_path, content):
    file = tmp_path / "file.mp4"
    file.write_bytes(content)

    assert not is_video(file)
    assert not is_video(tmp_path)
    assert not is_video(tmp_path / "absent.mp4")
    assert not is_video("a\0b")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*absent.mp4"):
        choose_frames(tmp_path / "absent.mp4", tmp_path / "frames")


def test_without_the_extra_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    video = write_video(tmp_path / "pan.mp4", pan(texture(300), 5, 8))
    monkeypatch.setattr("pointmap.extras.is_installed", lambda package: False)

    assert is_video(video)
    with pytest.raises(InputError, match=r"Reading videos needs av. Install it with: pip install 'pointmap\[video\]'"):
        choose_frames(video, tmp_path / "frames")
