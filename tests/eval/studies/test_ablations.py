"""Every variant trains, and what is known when a run is interrupted is kept."""

import json
from dataclasses import fields

import pytest
import torch
from train.tiny_runs import noise_pairs

from pointmap.errors import InputError
from pointmap.eval.studies import ablations
from pointmap.eval.studies.ablations import SIZES, VARIANTS, ablate
from pointmap.train.random import Random
from pointmap.train.validation import Scores


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_from_the_base_and_learns(name):
    batches = [noise_pairs(2, size, Random(0)) for size in SIZES]

    network = ablations._train(VARIANTS[name], batches, steps=2, pairs_per_step=2, seed=0)

    assert all(parameter.isfinite().all() for parameter in network.parameters())
    assert name in ("base", "again") or VARIANTS[name] != VARIANTS["base"]


def test_what_was_scored_before_an_interruption_is_kept(tmp_path, monkeypatch):
    def train(variant, *_arguments, **_settings):
        if variant is VARIANTS["no rays"]:
            raise KeyboardInterrupt
        return torch.nn.Linear(1, 1)

    scores = Scores(*range(len(fields(Scores))))
    for name, stand_in in {"_train": train, "validate": lambda *_: scores}.items():
        monkeypatch.setattr(ablations, name, stand_in)
    for name in ("make_textures", "make_pairs"):
        monkeypatch.setattr(ablations, name, lambda *_, **__: None)

    with pytest.raises(KeyboardInterrupt):
        ablate(["base", "no rays"], output=tmp_path)

    assert list(json.loads((tmp_path / "ablations.json").read_text())) == ["base"]


def test_an_unknown_variant_is_refused_with_the_choices(tmp_path):
    with pytest.raises(InputError, match=r"'wings'.*no QK-norm"):
        ablate(["wings"], output=tmp_path)
