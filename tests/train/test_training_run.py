import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pointmap
from pointmap.errors import InputError
from pointmap.models import PRESETS
from pointmap.train import loop
from pointmap.train.__main__ import main
from pointmap.train.loop import network_config, score_baselines, train, training_sizes
from pointmap.train.settings import TrainSettings
from pointmap.train.state import start_or_resume

QUICK = ["--preset", "tiny", "--textures", "9", "--pairs-per-step", "2", "--validation-pairs", "2", "--log-every", "1"]


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """Four steps in about a second; every pair is rendered for its step."""
    return TrainSettings(
        output=tmp_path / "run",
        preset="tiny",
        steps=4,
        pairs_per_step=2,
        fresh=1.0,
        easy_steps=2,
        warmup_steps=1,
        textures=9,
        validate_every=2,
        validation_pairs=2,
        device="cpu",
        log_every=1,
    )


def resumed(settings: TrainSettings):
    return start_or_resume(settings, network_config(settings), torch.device("cpu"))


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The operating system asks the run to stop while it works on a step."""
    work = loop._step

    def work_and_be_asked(run, *arguments):
        losses = work(run, *arguments)
        if run.step == step - 1:
            signal.raise_signal(signal.SIGTERM)
        return losses

    monkeypatch.setattr(loop, "_step", work_and_be_asked)


def test_a_run_leaves_its_state_its_history_and_the_weights_for_release(settings):
    release = train(settings)

    run = resumed(settings)
    assert (run.step, run.pairs_seen) == (4, 8)
    assert [entry["step"] for entry in run.history] == [2, 4]
    assert run.history[-1]["depth_absrel"] > 0
    assert sorted(path.name for path in settings.output.iterdir()) == [
        "log.jsonl",
        "release",
        "run.json",
        "state.safetensors",
    ]
    log = [json.loads(line) for line in (settings.output / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4]
    assert sorted(path.name for path in release.iterdir()) == ["config.json", "model.safetensors"]


def test_steps_change_the_weights_and_the_average_follows(settings):
    start = resumed(settings).network.state_dict()

    train(settings)

    run = resumed(settings)
    averaged = run.averaged.state_dict()
    for name, parameter in run.network.named_parameters():
        if parameter.requires_grad and parameter.ndim > 1:
            moved = parameter.detach() - start[name]
            assert moved.norm() > 0, name
            assert 0 < (averaged[name] - start[name]).norm() <= moved.norm() * 1.2, name


def test_the_released_weights_are_a_model_that_predicts(settings):
    network = pointmap.load_model(train(settings), device="cpu", precision="fp32")

    with torch.no_grad():
        prediction = network(torch.rand(1, 3, 48, 64) * 2 - 1, torch.rand(1, 3, 64, 48) * 2 - 1)

    assert prediction.points_i.shape == (1, 48, 64, 3)
    assert prediction.points_j.shape == (1, 64, 48, 3)
    assert prediction.points_i.isfinite().all()
    assert prediction.points_j.isfinite().all()
    assert (prediction.confidence_i >= 1).all()


def test_an_interrupted_run_that_is_resumed_ends_with_the_same_weights(settings, monkeypatch, tmp_path):
    train(settings)
    interrupted = replace(settings, output=tmp_path / "interrupted")
    with monkeypatch.context() as patch:
        stop_after(patch, step=2)
        train(interrupted)
    assert resumed(interrupted).step == 2

    train(interrupted)

    whole, parts = resumed(settings), resumed(interrupted)
    assert (parts.step, parts.pairs_seen) == (4, 8)
    assert [entry["step"] for entry in parts.history] == [2, 4]
    for one, other in ((whole.network, parts.network), (whole.averaged, parts.averaged)):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(other.state_dict()[name], value, atol=1e-6, rtol=1e-6, msg=name)
    for one, other in zip(whole.optimizers, parts.optimizers, strict=True):
        state = other.state_dict()["state"]
        assert state.keys() == one.state_dict()["state"].keys()
        for number, entries in one.state_dict()["state"].items():
            assert entries.keys() == state[number].keys()
            for name, value in entries.items():
                torch.testing.assert_close(state[number][name], torch.as_tensor(value), atol=1e-6, rtol=1e-5)


def test_a_finished_run_does_nothing_more_but_can_be_extended(settings):
    train(settings)
    before = resumed(settings).network.state_dict()

    train(settings)
    unchanged = resumed(settings).network.state_dict()
    train(replace(settings, steps=5))

    assert all(unchanged[name].equal(value) for name, value in before.items())
    assert resumed(settings).step == 5


def test_another_seed_starts_from_other_weights(settings):
    name = "enc_blocks.0.attn.qkv.weight"
    first, again, other = (resumed(replace(settings, seed=seed)).network.state_dict()[name] for seed in (0, 0, 1))

    assert first.equal(again)
    assert not first.equal(other)


def test_a_new_run_can_start_from_released_weights(settings, tmp_path):
    released = train(settings)
    later = replace(settings, output=tmp_path / "later", weights=str(released))

    run = start_or_resume(later, network_config(later), torch.device("cpu"))

    expected = pointmap.load_model(released, precision="fp32").state_dict()
    assert run.step == 0
    for state in (run.network.state_dict(), run.averaged.state_dict()):
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value)
    assert all(parameter.dtype == torch.float32 for parameter in run.network.parameters())


def test_the_state_of_another_network_is_refused(settings):
    train(replace(settings, steps=1))

    with pytest.raises(InputError, match="another network"):
        train(replace(settings, preset="small"))


@pytest.mark.parametrize("file", ["state.safetensors", "run.json"])
def test_a_truncated_state_is_refused(settings, file):
    train(replace(settings, steps=1))
    path = settings.output / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(InputError, match=r"cannot be resumed.*damaged"):
        train(settings)

    assert path.read_bytes() == content[: len(content) // 2]  # and left as it is


def test_a_state_without_its_facts_is_refused(settings):
    train(replace(settings, steps=1))
    (settings.output / "run.json").unlink()

    with pytest.raises(InputError, match="missing"):
        train(settings)


@pytest.mark.parametrize("extra", [[], ["--baselines"]])
def test_an_unknown_preset_is_refused_with_the_choices(tmp_path, capsys, extra):
    code = main(["--output", str(tmp_path), "--preset", "enormous", *extra])

    assert code == 2
    assert re.search(r"error: Unknown preset 'enormous'.*tiny, small", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_training_images_are_landscape_and_portrait_in_whole_tokens(preset):
    config = PRESETS[preset]

    landscape, portrait = training_sizes(config)

    assert landscape == portrait[::-1]
    assert max(landscape) == landscape[1] == config.image_size
    assert all(side % config.patch_size == 0 for side in landscape)


def test_baselines_are_scored_on_the_validation_pairs_of_the_run(settings):
    scores = score_baselines(settings)

    assert scores.keys() == {"mean pointmap", "identity motion"}
    assert scores["identity motion"].depth_absrel < 1e-3 < scores["mean pointmap"].depth_absrel


def run_until_terminated(command: list[str], step: int) -> tuple[int, str]:
    """Start a run, ask it to stop after a step; its exit code and what it printed."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(f"step {step} "):
            process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60), "".join(lines)


def test_a_run_that_is_terminated_saves_its_state_first(tmp_path):
    code, output = run_until_terminated(
        ["-m", "pointmap.train", "--output", str(tmp_path / "run"), "--steps", "100000", *QUICK], step=2
    )

    assert code == 0, output
    assert "Weights: " in output
    assert json.loads((tmp_path / "run" / "run.json").read_text())["step"] >= 2
    assert pointmap.load_model(tmp_path / "run" / "release").config == PRESETS["tiny"]


@pytest.mark.slow
def test_two_processes_agree_on_when_to_stop(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    run = ["-m", "pointmap.train", "--output", str(tmp_path / "run"), "--steps", "100000", "--average-every", "5"]

    _, output = run_until_terminated([*launcher, *run, *QUICK], step=7)  # by then both have met

    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["step"] % 5 == 0, output
    assert facts["pairs_seen"] == 2 * 2 * facts["step"]
    assert output.count("Weights: ") == 2, output  # both came to their end; torchrun itself then reports the signal
