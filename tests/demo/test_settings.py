"""What visitors may choose, and what they cannot smuggle in."""

import pytest

from pointmap.demo.work.settings import checked_settings, offered_networks
from pointmap.errors import InputError


def test_bundled_networks_are_offered_with_size_and_licence():
    labels = {network.name: network.label for network in offered_networks()}

    assert "8 MB, Apache-2.0" in labels["small"]
    assert list(labels)[-1] == "classical"


def test_what_is_left_open_is_left_out():
    assert checked_settings({"model": "tiny", "pairs": None, "surface": False}) == {"model": "tiny", "surface": False}


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "/etc/passwd"},
        {"model": "someone/else"},
        {"model": ["small"]},
        {"pairs": "complete\n"},
        {"pairs": [[0, 1]]},
        {"image_size": 100_000},
        {"focal_px": float("nan")},
        {"focal_35mm": -1},
        {"cache": "/tmp"},
        {"device": "cuda"},
    ],
)
def test_other_things_are_refused_by_name(settings):
    with pytest.raises(InputError):
        checked_settings(settings)


@pytest.mark.parametrize("pairs", ["auto", "complete", "retrieval-10", "window-3", "one-to-all-0"])
def test_strategies_of_pairs_pass(pairs):
    assert checked_settings({"pairs": pairs}) == {"pairs": pairs}
