"""What holds for every benchmark and protocol, on its miniature in the official layout."""

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pointmap.errors import InputError
from pointmap.eval.benchmarks import FILES, get_benchmark, procedural
from pointmap.eval.estimate import Estimate
from pointmap.eval.protocol import Protocol
from pointmap.eval.protocols.combined import Combined
from pointmap.eval.protocols.object_mesh import ObjectMesh

CASES = [(name, setting) for name in FILES for setting in get_benchmark(name).settings]
ALWAYS_THERE = ("procedural",)
"""Needs no files."""
FOUND_AS_THEY_ARE = ("procedural", "photos", "re10k", "inloc")
"""Their scenes are those that are there, or only one: no list could be incomplete."""


# A miniature may have: TOLERANCE, of the perfect score, by metric; SCENES, the names to run, by setting; HIDDEN, the
# metrics whose truth the data set does not publish (its own tests then show the perfect score).


def miniature(name: str) -> ModuleType:
    """The module that writes it."""
    return importlib.import_module(f"miniatures.{FILES[name][0]}")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Rendered rooms of a size that takes no time."""
    monkeypatch.setattr(procedural, "LONG_SIDE", 160)
    monkeypatch.setattr(procedural, "TEXTURES", 8)


def scoring_of(name: str, setting: str) -> Protocol:
    """As it is, but for the number of points that are drawn on surfaces."""
    scoring = get_benchmark(name).settings[setting].scoring
    if not hasattr(scoring, "samples"):
        return scoring
    return replace(scoring, samples=30_000 if isinstance(scoring, ObjectMesh) else 200_000)


def tasks(name: str, setting: str, folder: Path):
    """The scenes of the miniature on which the setting runs."""
    benchmark = get_benchmark(name)
    names = miniature(name).write(folder)
    scenes = benchmark.scenes(folder, setting, getattr(miniature(name), "SCENES", {}).get(setting, names))
    assert scenes
    return [benchmark.load(folder, scene, setting, folder / "scratch") for scene in scenes]


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_the_truth_gets_the_perfect_score(name: str, setting: str, tmp_path: Path):
    scoring = scoring_of(name, setting)
    tolerances = getattr(miniature(name), "TOLERANCE", {})
    hidden = getattr(miniature(name), "HIDDEN", ())

    for task in tasks(name, setting, tmp_path):
        scores = scoring.score(task, Estimate.of_truth(task))

        assert set(scores.values) == {metric.name for metric in scoring.metrics}
        for metric in scoring.metrics:
            if metric.name in hidden:
                continue
            tolerance = tolerances.get(metric.name, 1e-3)
            assert scores.values[metric.name] == pytest.approx(metric.perfect, abs=tolerance), metric.name


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_a_known_distortion_costs_what_theory_predicts(name: str, setting: str, tmp_path: Path):
    scoring = scoring_of(name, setting)
    parts = scoring.parts if isinstance(scoring, Combined) else (scoring,)
    checked = 0

    for task in tasks(name, setting, tmp_path):
        for part in parts:
            distortion = importlib.import_module(f"distortions.{type(part).__module__.rsplit('.', 1)[1]}")
            found = distortion.distort(part, task)
            if found is None:
                continue
            estimate, expected = found
            values = part.score(task, estimate).values
            for metric, (value, tolerance) in expected.items():
                assert values[metric] == pytest.approx(value, abs=tolerance), metric
                checked += 1

    assert checked or getattr(miniature(name), "HIDDEN", ())


@pytest.mark.parametrize("name", [name for name in FILES if name not in ALWAYS_THERE])
def test_another_folder_is_no_tree_of_it(name: str, tmp_path: Path):
    benchmark = get_benchmark(name)
    (tmp_path / "holidays").mkdir()
    (tmp_path / "holidays" / "photo.jpg").write_bytes(b"")

    for setting in benchmark.settings:
        with pytest.raises(InputError) as wrong:
            benchmark.scenes(tmp_path, setting)
        with pytest.raises(InputError) as absent:
            benchmark.scenes(tmp_path / "nowhere", setting)

        assert str(tmp_path) in str(wrong.value)
        assert benchmark.about.layout.splitlines()[0] in str(wrong.value) + str(absent.value)


@pytest.mark.parametrize("name", [name for name in FILES if name not in FOUND_AS_THEY_ARE])
def test_a_part_of_the_frozen_list_is_refused_and_can_be_chosen(name: str, tmp_path: Path):
    benchmark = get_benchmark(name)
    names = miniature(name).write(tmp_path)

    for setting in benchmark.settings:
        chosen = getattr(miniature(name), "SCENES", {}).get(setting, names)
        with pytest.raises(InputError, match="--scenes"):
            benchmark.scenes(tmp_path, setting)
        assert set(benchmark.scenes(tmp_path, setting, chosen)) == set(chosen)


@pytest.mark.parametrize("name", list(FILES))
def test_an_unknown_scene_is_named(name: str, tmp_path: Path):
    benchmark = get_benchmark(name)
    miniature(name).write(tmp_path)

    for setting in benchmark.settings:
        with pytest.raises(InputError, match="atlantis"):
            benchmark.scenes(tmp_path, setting, ("atlantis",))


@pytest.mark.parametrize("name", list(FILES))
def test_it_says_where_it_comes_from(name: str):
    benchmark = get_benchmark(name)

    assert benchmark.name == name
    for text in vars(benchmark.about).values():
        assert isinstance(text, str)
    for setting in benchmark.settings.values():
        assert setting.title
        assert setting.source
        assert len({metric.name for metric in setting.scoring.metrics}) == len(setting.scoring.metrics) > 0
    text = " ".join(benchmark.description().split())
    assert " ".join(benchmark.about.licence.split()) in text
    assert all(protocol in text for protocol in benchmark.settings)


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_an_estimate_of_nothing_is_scored_and_not_perfect(name: str, setting: str, tmp_path: Path):
    scoring = scoring_of(name, setting)
    hidden = getattr(miniature(name), "HIDDEN", ())

    for task in tasks(name, setting, tmp_path):
        values = scoring.score(task, Estimate(np.full((len(task), 4, 4), np.nan))).values

        ranking = scoring.metrics[0]
        assert ranking.name in hidden or values[ranking.name] != pytest.approx(ranking.perfect)
