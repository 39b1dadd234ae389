"""What strangers' files may not do: open other files or addresses, claim any size, or use rarely checked decoders."""

import pytest
from example_videos import pan, read, texture, write_video

from pointmap.errors import InputError
from pointmap.video import choose_frames, is_video

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {}\n"
DASH = '<?xml version="1.0"?><MPD><Period><BaseURL>{}</BaseURL></Period></MPD>'


@pytest.fixture
def secret(tmp_path):
    return write_video(tmp_path / "secret.ts", pan(texture(300), 10, 8))


@pytest.mark.parametrize("text", [PLAYLIST, CONCAT, DASH])
def test_lists_of_other_files_are_no_videos(tmp_path, secret, text):
    upload = tmp_path / "upload.mp4"
    upload.write_text(text.format(secret.name))

    assert not is_video(upload)
    with pytest.raises(InputError, match=r"'upload.mp4' is not a video"):
        choose_frames(upload, tmp_path / "frames")


@pytest.mark.parametrize(("kind", "text"), [("hls", PLAYLIST), ("concat", CONCAT)])
@pytest.mark.parametrize("where", ["{secret.name}", "{secret}", "file://{secret}", "http://127.0.0.1:9/a.ts"])
def test_even_a_list_taken_for_a_video_opens_nothing(tmp_path, secret, monkeypatch, kind, text, where):
    monkeypatch.setattr("pointmap.video.decode.container_of", lambda path: kind)
    upload = tmp_path / "upload.mp4"
    upload.write_text(text.format(where.format(secret=secret)))

    with pytest.raises(InputError, match=r"refers to other files|cannot be read as a video|no pictures"):
        choose_frames(upload, tmp_path / "frames")
    assert not (tmp_path / "frames").exists()


def test_a_name_is_never_taken_for_a_protocol(tmp_path, secret, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subfile,,start,0,end,0,,:secret.ts").write_bytes(secret.read_bytes())

    assert len(choose_frames("subfile,,start,0,end,0,,:secret.ts", tmp_path / "frames")) == 2
    with pytest.raises(InputError, match="There is no file"):
        choose_frames(f"file:{secret}", tmp_path / "frames")


@pytest.mark.parametrize(("name", "codec"), [("bomb.mkv", "ffv1"), ("bomb.mp4", "libx264"), ("bomb.ts", "mpeg2video")])
def test_pictures_that_claim_to_be_huge_are_refused(tmp_path, monkeypatch, name, codec):
    video = write_video(tmp_path / name, pan(texture(300), 5, 8), codec=codec)
    monkeypatch.setattr("pointmap.video.decode.MAX_PIXELS", 100 * 100)

    with pytest.raises(InputError, match=rf"The pictures of '{name}' are larger than the 0 megapixels"):
        choose_frames(video, tmp_path / "frames")


def test_pictures_that_grow_in_the_middle_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("pointmap.video.decode.MAX_PIXELS", 200 * 200)
    small, large = (
        write_video(tmp_path / f"{size}.ts", pan(texture(400, size), 10, 8), codec="mpeg2video") for size in (120, 480)
    )
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())

    frames = choose_frames(joined, tmp_path / "frames")

    assert {read(frame).shape for frame in frames} == {(120, 160, 3)}


def test_rare_decoders_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("pointmap.video.decode._DECODERS", frozenset({"h264"}))
    video = write_video(tmp_path / "rare.avi", pan(texture(300), 5, 8), codec="mpeg4")

    with pytest.raises(InputError, match=r"the codec 'mpeg4', which is not read here. Save it as MP4 with H.264"):
        choose_frames(video, tmp_path / "frames")
