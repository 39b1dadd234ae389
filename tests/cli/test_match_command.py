"""`pointmap match`: counts and a picture, or one message."""

import sys

import numpy as np
import pytest
from PIL import Image
from spots import spots

from pointmap.cli import main


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["pointmap", "match", *map(str, arguments)])
    main()


@pytest.fixture
def photos(tmp_path):
    """Two windows of one image, one much lower than the other."""
    wide = spots(0, 240, 420)
    files = [tmp_path / "left.png", tmp_path / "right.png"]
    Image.fromarray(wide[:, :320]).save(files[0])
    Image.fromarray(wide[20:, 100:]).save(files[1])
    return files


def test_matches_are_counted_and_drawn(monkeypatch, capsys, tmp_path, photos):
    run(monkeypatch, *photos, "-o", tmp_path / "new" / "both.png")

    words = capsys.readouterr().out.split()
    assert int(words[0]) > 100
    assert int(words[2]) > 0.8 * int(words[0])
    picture = np.asarray(Image.open(tmp_path / "new" / "both.png").convert("RGB")).astype(int)
    green = picture[..., 1] - picture[..., [0, 2]].max(axis=2) > 60
    assert green.any(axis=0).mean() > 0.9  # lines go all the way across


@pytest.mark.parametrize("shape", [(200, 300), (1, 300)])
def test_photos_of_nothing_are_a_picture_without_lines(monkeypatch, capsys, tmp_path, photos, shape):
    Image.fromarray(np.full((*shape, 3), 99, np.uint8)).save(tmp_path / "grey.png")

    run(monkeypatch, photos[0], tmp_path / "grey.png", "-o", tmp_path / "none.jpg")

    assert capsys.readouterr().out.startswith("0 matches, 0 of them")
    assert (tmp_path / "none.jpg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "missing.png"),
        (["text.jpg"], "it is not an image"),
        (["right.png", "-o", "matches.gif"], "ends in .png or .jpg"),
        (["right.png", "--matcher", "orb"], "'sift'"),
    ],
)
def test_mistakes_are_one_message(monkeypatch, capsys, tmp_path, photos, arguments, message):
    (tmp_path / "text.jpg").write_text("no image")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as exit:
        run(monkeypatch, "left.png", *arguments)

    assert exit.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "matches.gif").exists()
