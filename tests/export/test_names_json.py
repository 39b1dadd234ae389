import json
from pathlib import Path

import numpy as np

from pointmap.export.names import output_stems
from pointmap.export.plain_json import json_bytes, to_json


def test_names_stay_as_they_are_where_they_can():
    assert output_stems(["IMG 1.JPG", "ein Foto.png", "照片.heic"]) == ["IMG 1", "ein Foto", "照片"]


def test_equal_stems_are_told_apart():
    assert output_stems(["a.jpg", "a.png", "A.jpg", "a.jpg"]) == ["a", "a_png", "A_jpg", "a_2"]


def test_no_name_leaves_the_folder_or_is_too_long():
    stems = output_stems(["../../etc/passwd", "/root.jpg", "..", "a:b?.png", "ä" * 300 + ".jpg", "\\x\\y.png"])

    assert all("/" not in stem and "\\" not in stem and not stem.startswith(".") for stem in stems)
    assert max(len(stem.encode()) for stem in stems) <= 180
    assert len(set(stems)) == len(stems)


def test_every_parser_reads_what_numpy_gives():
    value = {
        "loss": np.float32(0.5),
        "nan": float("nan"),
        "path": Path("a/b"),
        3: (np.arange(2), {"set"}),
        "none": None,
    }

    assert json.loads(to_json(value)) == {
        "loss": 0.5,
        "nan": None,
        "path": str(Path("a/b")),
        "3": [[0, 1], ["set"]],
        "none": None,
    }


def test_a_name_that_is_no_text_survives():
    name = b"\xff.jpg".decode("utf-8", "surrogateescape")

    assert json.loads(json_bytes({"file": name}))["file"] == name
