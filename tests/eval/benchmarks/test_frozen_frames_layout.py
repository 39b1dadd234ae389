"""Lists of frames that others froze."""

import json

import pytest

from pointmap.errors import InputError
from pointmap.eval.layouts.frozen_frames import places, read_frozen

PATHS = ("a/images/0.jpg", "a/images/1.jpg", "b/images/1.jpg")


def test_frames_are_numbers_paths_or_objects_with_a_path(tmp_path):
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"apple/one": [2, "a/images/0.jpg", {"filepath": "data/a/images/1.jpg"}], "two": []}))
    frozen = read_frozen(file)

    assert set(frozen) == {"one", "two"}
    assert places(frozen["one"], PATHS, file, "one") == (2, 0, 1)


def test_without_a_file_there_is_no_list(tmp_path):
    assert read_frozen(tmp_path / "map.json") is None


@pytest.mark.parametrize(
    "content", ["[1, 2]", '{"one": 3}', '{"one": [2.5]}', '{"one": [{"path": "x"}]}', "{", '{"a": [true]}']
)
def test_anything_else_is_refused(tmp_path, content):
    (tmp_path / "map.json").write_text(content)

    with pytest.raises(InputError, match=r"map\.json.*no list of frames"):
        read_frozen(tmp_path / "map.json")


@pytest.mark.parametrize("frame", [3, -1, "c/images/1.jpg"])
def test_a_frame_that_is_not_there_is_named(tmp_path, frame):
    with pytest.raises(InputError, match="has 3 frames"):
        places((frame,), PATHS, tmp_path / "map.json", "one")
