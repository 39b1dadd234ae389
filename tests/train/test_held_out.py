import pytest
from tiny_runs import CHEAP, tiny_settings

from pointmap.train.held_out import score_baselines


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    for place, name, instead in CHEAP:
        monkeypatch.setattr(place, name, instead)


def test_baselines_are_scored_on_the_validation_pairs_of_the_run(tmp_path):
    scores = score_baselines(tiny_settings(tmp_path))

    assert scores.keys() == {"mean pointmap", "identity motion"}
    assert scores["identity motion"].depth_absrel < 1e-3 < scores["mean pointmap"].depth_absrel
