"""Methods as text: what can be written, and what is said of what cannot."""

import pickle
from typing import Literal

import pytest

from pointmap.errors import InputError
from pointmap.eval.methods.method import MethodSpec
from pointmap.eval.methods.options import named, parse_value


def test_a_kind_with_options_is_read_and_travels():
    spec = MethodSpec.parse("pointmap:poses=network, image_size=224")

    assert (spec.kind, dict(spec.options)) == ("pointmap", {"poses": "network", "image_size": "224"})
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert MethodSpec.parse("colmap") == MethodSpec("colmap", {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("glomap", "Unknown method 'glomap'. Choose pointmap, colmap, two-view, identity, saved"),
        ("colmap:mapper", "'mapper' in 'colmap:mapper' is no option"),
        ("colmap:", "is no option. Write 'colmap:name=value"),
        ("colmap:mapper=global,mapper=global", "twice"),
    ],
)
def test_what_is_no_method_is_refused(text: str, says: str):
    with pytest.raises(InputError, match=says):
        MethodSpec.parse(text)


def test_unknown_options_and_values_name_those_that_there_are():
    with pytest.raises(InputError, match=r"'identity' has no option 'speed'. It has: none"):
        MethodSpec.parse("identity:speed=9").build()
    with pytest.raises(InputError, match="two-view:matcher is 'surf'; it can be sift, rootsift"):
        MethodSpec.parse("two-view:matcher=surf").build()


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("true", bool | None, True),
        ("none", bool | None, None),
        ("7", int, 7),
        ("7", float | None, 7.0),
        ("window-3", str | list[tuple[int, int]], "window-3"),
        ("ba", Literal["ba", "none"], "ba"),
        ("none", Literal["ba", "none"], "none"),
    ],
)
def test_values_have_the_type_of_the_signature(text: str, annotation: object, value: object):
    found = parse_value("x", text, annotation)

    assert (found, type(found)) == (value, type(value))


def test_a_number_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"image_size is '2.5'; it can be a whole number, none"):
        parse_value("image_size", "2.5", int | None)


def test_names_are_names_of_folders():
    assert (
        named("two-view", {"ratio": 0.7, "matcher": "a/b", "flag": True}) == "two-view+flag=true+matcher=a_b+ratio=0.7"
    )
