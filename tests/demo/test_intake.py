import io
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from scenes import make_scene
from visitors import given, open_demo, photo_bytes

from pointmap.demo.limits import Limits
from pointmap.demo.visitors.intake import (
    Taken,
    clear_photos,
    move_photo,
    remove_photo,
    take_example,
    take_files,
    thumbnail,
)
from pointmap.demo.visitors.names import clean_name, unique_name
from pointmap.demo.visitors.strokes import set_strokes, stroke_mask
from pointmap.errors import Cancelled, InputError


@pytest.fixture
def session(tmp_path):
    return open_demo(tmp_path)[0].of("a")


@pytest.fixture
def take(tmp_path, session):
    """Give files as {name: content}."""

    def take(files: dict[str, bytes], **limits: float) -> Taken:
        uploads = [given(tmp_path / "uploads", name, content) for name, content in files.items()]
        return take_files(session, uploads, Limits(**limits))

    return take


def zip_of(members: dict[str, bytes], **settings: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", settings.get("compression", zipfile.ZIP_DEFLATED)) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM"])
def test_photos_keep_their_bytes_and_get_the_ending_of_their_content(take, session, kind):
    content = photo_bytes(kind=kind, size=(60, 40))

    assert take({"Ein Foto.exe": content}) == Taken(1)
    photo = session.photos[0]

    assert photo.file.read_bytes() == content
    assert photo.file.parent == session.folder / "photos"
    assert photo.file.stem == photo.key == "p1"
    assert photo.name == "Ein_Foto" + photo.file.suffix
    assert photo.size == (60, 40)


def test_photos_are_shown_upright(take, session):
    exif = Image.Exif()
    exif[0x0112] = 6
    take({"tall.jpg": photo_bytes(size=(60, 40), exif=exif)})

    assert session.photos[0].size == (40, 60)
    with Image.open(thumbnail(session, "p1", 160)) as small:
        assert small.size == (40, 60)


def test_thumbnails_are_small_and_made_by_us(take, session):
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    take({"large.jpg": photo_bytes(size=(1500, 900), exif=exif) + b"<script>alert(1)</script>"})

    for size in (160, 320, 960):
        content = thumbnail(session, "p1", size).read_bytes()
        assert Image.open(io.BytesIO(content)).size == (size, size * 3 // 5)
        assert b"script" not in content
        assert b"where" not in content
    with pytest.raises(KeyError):
        thumbnail(session, "../p1", 160)
    with pytest.raises(ValueError, match="none of 161"):
        thumbnail(session, "p1", 161)


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7 ...",
        b"<html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"<svg xmlns='a'/>",
        b"#EXTM3U\n",
    ],
)
def test_what_is_no_photo_is_refused_whatever_it_is_called(take, session, content):
    taken = take({"notes.jpg": content, "good.jpg": photo_bytes()})

    assert taken.in_words == (
        "1 photo added. 1 file left out: notes.jpg is not a photo, video or zip. "
        "Give JPEG, PNG, WebP, AVIF, TIFF or HEIC photos."
    )
    assert [photo.name for photo in session.photos] == ["good.jpg"]


@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (20000, 10000)])
def test_a_picture_that_claims_too_many_pixels_is_never_decoded(take, session, width, height):
    taken = take({"bomb.png": png_that_claims(width, height)})

    assert "megapixels" in taken.in_words
    assert "Make it smaller." in taken.in_words
    assert not session.photos


def test_damaged_photos_are_refused(take, session):
    whole = photo_bytes(size=(300, 200), quality=95)

    taken = take({"half.jpg": whole[: len(whole) // 2], "empty.jpg": b""})

    assert [name for name, _ in taken.refused] == ["half.jpg", "empty.jpg"]
    assert "damaged" in taken.refused[0][1]
    assert not session.photos
    assert not list((session.folder / "photos").iterdir())


def test_a_photo_with_a_zip_behind_it_is_that_photo(take, session):
    both = photo_bytes() + zip_of({"../evil.jpg": photo_bytes(1)})

    assert take({"both.zip": both}) == Taken(1)

    assert [photo.name for photo in session.photos] == ["both.jpg"]


def test_of_500_photos_the_first_are_taken_and_one_message_says_so(take, session):
    taken = take({f"{index}.png": photo_bytes(index, (6, 4), "PNG") for index in range(500)}, photos=100)

    assert taken.added == len(session.photos) == 100
    assert session.photos[-1].name == "99.png"
    assert taken.in_words == (
        "100 photos added. 400 files left out: "
        "400 more files did not fit: at most 100 photos can be taken. Remove some to add others."
    )


def test_of_500_photos_in_a_zip_as_well(take, session):
    members = {f"photos/{index}.png": photo_bytes(index, (6, 4), "PNG") for index in range(500)}

    taken = take({"photos.zip": zip_of(members)}, photos=100)

    assert taken.in_words.startswith("100 photos added. 400 files left out: 400 more files did not fit")
    assert session.photos[-1].name == "99.png"  # 2 comes before 10


def test_the_same_photo_twice_is_taken_once(take, session):
    taken = take({"a.jpg": photo_bytes(), "copy of a.jpg": photo_bytes(), "b.jpg": photo_bytes(1)})

    assert taken.added == 2
    assert taken.refused == [("copy of a.jpg", "is there already.")]


def test_many_files_of_one_fate_are_told_in_one_sentence(take):
    words = take({f"{index}.txt": b"text" for index in range(5)}).in_words

    assert words.startswith("0 photos added. 5 files left out: 0.txt, 1.txt, 2.txt and 2 more: each is not a photo")


def test_names_are_made_harmless_and_unique():
    assert clean_name("../../etc/passwd", ".jpg") == "passwd.jpg"
    assert clean_name("C:\\photos\\mein Bild (1).JPG", ".png") == "mein_Bild_1.png"
    assert clean_name("写真.jpeg", ".jpg") == "photo.jpg"
    assert clean_name("<img src=x onerror=alert(1)>.jpg", ".jpg") == "img_src_x_onerror_alert_1.jpg"
    assert clean_name(".htaccess", ".jpg") == "htaccess.jpg"
    assert len(clean_name("x" * 500, ".heic")) == 60
    assert unique_name("a.jpg", ["A.JPG", "a_2.jpg"]) == "a_3.jpg"
    assert len(unique_name("x" * 56 + ".jpg", ["x" * 56 + ".jpg"])) == 60


def test_photos_of_one_name_get_numbers(take, session):
    take({"a.jpg": photo_bytes(0), "b/a.jpg": photo_bytes(1)})

    assert [photo.name for photo in session.photos] == ["a.jpg", "a_2.jpg"]


def test_links_are_refused(tmp_path, session):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(photo_bytes())
    link = tmp_path / "upload"
    link.symlink_to(secret)

    taken = take_files(session, [("a.jpg", link), ("b.jpg", tmp_path), ("c.jpg", tmp_path / "gone")], Limits())

    assert taken.added == 0
    assert "no ordinary file" in taken.refused[0][1]
    assert "no ordinary file" in taken.refused[1][1]
    assert taken.refused[2][1] == "cannot be read (No such file or directory). Upload it again."


def test_limits_of_megabytes_are_kept(take):
    noise = os.urandom(120 * 120 * 3)
    large, small = io.BytesIO(), photo_bytes()
    Image.frombytes("RGB", (120, 120), noise).save(large, "BMP")

    assert "a file may have 0.02" in take({"large.bmp": large.getvalue()}, file_megabytes=0.02).in_words
    taken = take({"large.bmp": large.getvalue(), "a.jpg": small}, session_megabytes=0.0435)
    assert taken.added == 1
    assert "all photos together" in taken.in_words


def test_zips_are_flattened_and_what_is_hidden_is_left_out(take, session):
    taken = take(
        {
            "photos.zip": zip_of(
                {
                    "trip/img10.jpg": photo_bytes(10),
                    "trip/img2.jpg": photo_bytes(2),
                    "trip/deep/er/img3.jpg": photo_bytes(3),
                    "__MACOSX/trip/._img2.jpg": b"resource",
                    "trip/.hidden.jpg": photo_bytes(4),
                    "trip/readme.txt": b"text",
                }
            )
        }
    )

    assert taken == Taken(3)
    assert [photo.name for photo in session.photos] == ["img3.jpg", "img2.jpg", "img10.jpg"]
    assert not list(session.folder.glob("incoming*"))


def test_paths_in_zips_lead_nowhere(take, session, tmp_path):
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(session.folder)}
    names = ("../../../evil1.jpg", "/etc/evil2.jpg", "..\\..\\evil3.jpg", "C:\\evil4.jpg", "a/../../evil5.jpg")

    taken = take({"slip.zip": zip_of({name: photo_bytes(index) for index, name in enumerate(names)})})

    assert taken == Taken(5)
    assert all(photo.file.parent == session.folder / "photos" for photo in session.photos)
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(session.folder)}
    assert {path.parent.name for path in after - before} <= {"uploads", tmp_path.name}


def test_links_in_zips_are_refused(take, session):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        link = zipfile.ZipInfo("passwd.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.jpg", photo_bytes())

    taken = take({"link.zip": content.getvalue()})

    assert taken.added == 1
    assert taken.refused == [("passwd.jpg", "is a link, not a photo. Pack the photo itself.")]
    assert not any(path.is_symlink() for path in session.folder.rglob("*"))


def test_a_zip_that_unpacks_without_end_is_stopped(take, session):
    zeros = bytes(30_000_000)
    bomb = zip_of({"a.jpg": photo_bytes(), "b.jpg": zeros, "c.jpg": zeros, "d.jpg": zeros})
    assert len(bomb) < 100_000

    taken = take({"bomb.zip": bomb}, file_megabytes=20, session_megabytes=50)

    assert taken.added == 1
    assert "unpacks to more than 20 MB" in taken.in_words
    assert "bomb.zip unpacks to more than 50 MB; the rest was left out." in taken.in_words


def test_a_zip_that_claims_little_is_counted_as_it_unpacks(take):
    content = bytearray(zip_of({"a.jpg": bytes(3_000_000)}))
    for place in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        content[place : place + 4] = (1000).to_bytes(4, "little")

    taken = take({"liar.zip": bytes(content)})

    assert taken.refused == [("a.jpg", "is damaged in the zip. Pack it again.")]


def test_damaged_members_are_told_and_others_kept(take):
    content = bytearray(zip_of({"a.jpg": photo_bytes(0), "b.jpg": photo_bytes(1)}, compression=zipfile.ZIP_STORED))
    content[content.find(b"a.jpg") + 100] ^= 0xFF

    taken = take({"photos.zip": bytes(content)})

    assert taken.added == 1
    assert taken.refused == [("a.jpg", "is damaged in the zip. Pack it again.")]


def test_encrypted_zips_and_zips_in_zips_say_what_to_do(take):
    locked = bytearray(zip_of({"a.jpg": photo_bytes()}))
    for place in (locked.find(b"PK\x03\x04") + 6, locked.find(b"PK\x01\x02") + 8):
        locked[place] |= 1

    words = take(
        {"locked.zip": bytes(locked), "outer.zip": zip_of({"inner.zip": zip_of({"a.jpg": photo_bytes()})})}
    ).in_words

    assert "a.jpg is encrypted. Unpack the zip and give the photos." in words
    assert "inner.zip is a zip in a zip. Unpack it first." in words


def test_zips_without_photos_or_without_an_end_are_refused(take):
    broken = zip_of({"a.jpg": photo_bytes()})

    taken = take({"empty.zip": zip_of({"folder/": b""}), "broken.zip": broken[:-30]})

    assert "holds no photos" in dict(taken.refused)["empty.zip"]
    assert "cannot be read" in dict(taken.refused)["broken.zip"]


def test_a_zip_with_an_endless_table_of_contents_is_not_read(take):
    content = bytearray(zip_of({f"{'x' * 200}{index}.jpg": b"" for index in range(20_000)}, compression=0))

    assert "table of contents is too long" in take({"long.zip": bytes(content)}).in_words


def test_videos_give_photos_named_by_time(take, session, tmp_path):
    av = pytest.importorskip("av")
    file = tmp_path / "clip.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        pattern = np.random.default_rng(0).integers(0, 255, (64, 400, 3), dtype=np.uint8).repeat(1, 0)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pattern[:, 8 * index : 8 * index + 96]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())

    taken = take({"my clip.jpg": file.read_bytes()})

    assert taken.added == len(session.photos) >= 2
    assert session.photos[0].name.startswith("my_clip_frame_")
    assert session.photos[0].size == (96, 64)


def test_examples_replace_the_photos(take, session):
    take({"a.jpg": photo_bytes()})

    assert take_example(session, "street", Limits()) == Taken(6)

    assert [photo.name for photo in session.photos] == [f"street_0{number}.jpg" for number in range(1, 7)]
    with pytest.raises(InputError, match="Choose room, table, street"):
        take_example(session, "../photos", Limits())


def test_photos_are_moved_and_removed(take, session):
    take({name: photo_bytes(index) for index, name in enumerate(["a.jpg", "b.jpg", "c.jpg"])})
    first, second, third = session.photos

    move_photo(session, "p3", 0)
    assert session.photos == [third, first, second]
    move_photo(session, "p3", 99)
    assert session.photos == [first, second, third]
    remove_photo(session, "p2")
    assert session.photos == [first, third]
    assert not second.file.exists()
    with pytest.raises(KeyError):
        remove_photo(session, "p2")
    clear_photos(session)
    assert session.photos == []
    take({"d.jpg": photo_bytes(3)})
    assert session.photos[0].key == "p4"  # never used again


def test_files_of_removed_photos_stay_as_long_as_somebody_reads_them(take, session):
    from dataclasses import replace

    take({"a.jpg": photo_bytes(0), "b.jpg": photo_bytes(1)})
    first, second = session.photos
    replace(make_scene(num_photos=2), paths=(first.file, None)).save(session.scene_file)

    session.settled = False
    clear_photos(session)
    assert first.file.exists()
    assert second.file.exists()  # the run may be about to read it
    session.settled = True
    clear_photos(session)
    assert first.file.exists()  # textures of the kept scene come from it
    assert not second.file.exists()
    session.scene_file.unlink()
    clear_photos(session)
    assert not first.file.exists()


def test_an_upload_into_a_closed_session_leaves_nothing_behind(tmp_path):
    sessions, _ = open_demo(tmp_path)
    session = sessions.of("a")
    uploads = [given(tmp_path / "uploads", f"{index}.jpg", photo_bytes(index)) for index in range(3)]

    def close(stage: str, done: int, total: int) -> None:
        if done == 2:
            sessions.close(session)

    with pytest.raises(Cancelled):
        take_files(session, uploads, Limits(), progress=close)
    with pytest.raises(Cancelled):
        take_files(session, uploads, Limits())
    assert not session.folder.exists()


def test_strokes_leave_out_what_is_under_them():
    mask = stroke_mask([{"radius": 0.1, "points": [[0.5, 0.25], [0.8, 0.25]]}], (200, 100))

    assert mask.shape == (100, 200)
    assert not mask[50, 100:160].any()  # along the stroke
    assert not mask[50, 82]  # its round end
    assert mask[50, 78]
    assert mask[25, 130]  # above it, farther than the radius of 20 pixels
    assert not mask[35, 130]
    assert stroke_mask([], (20, 10)).all()
    assert not stroke_mask([{"radius": 0.3, "points": [[0.5, 0.5]]}], (10, 10))[5, 5]


@pytest.mark.parametrize(
    "strokes",
    [
        None,
        "paint",
        [1],
        [{"radius": 1}],
        [{"radius": 0.1, "points": []}],
        [{"radius": float("nan"), "points": [[0, 0]]}],
        [{"radius": 0.1, "points": [[0, float("inf")]]}],
        [{"radius": 0.1, "points": [[0, "1"]]}],
        [{"radius": 0.1, "points": [[0, True]]}],
        [{"radius": 0.1, "points": [[0, 0, 0]]}],
        [{"radius": 0.1, "points": [[0, 0]]}] * 101,
        [{"radius": 0.1, "points": [[0, 0]] * 2001}],
    ],
)
def test_strokes_that_are_none_change_nothing(take, session, strokes):
    take({"a.jpg": photo_bytes()})
    good = [{"radius": 0.1, "points": [[0.5, 0.5]]}]
    set_strokes(session, "p1", good)

    with pytest.raises(InputError):
        set_strokes(session, "p1", strokes)

    assert session.photos[0].strokes == session.entries()[0]["strokes"] == good
