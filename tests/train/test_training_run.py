import json
import math
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints.checkpoint_files import make_network as make_published
from checkpoints.checkpoint_files import write_pth
from photo_folders import rendered_views, write_photos
from tiny_runs import CHEAP, asked_to_stop, assert_equal_states, state_of, tiny_settings

import pointmap
from pointmap.checkpoints.saving import save_model
from pointmap.errors import InputError
from pointmap.models import PRESETS, Network, NetworkConfig
from pointmap.train import step as step_module
from pointmap.train.__main__ import main
from pointmap.train.curriculum import make_curriculum
from pointmap.train.distributed import Processes
from pointmap.train.held_out import validation_sizes
from pointmap.train.log import read_log
from pointmap.train.loop import train
from pointmap.train.settings import TrainSettings
from pointmap.train.start import make_network, start_or_resume
from pointmap.train.state import Run

QUICK = ["--preset", "nano", "--textures", "9", "--pairs-per-step", "2", "--validation-pairs", "2", "--log-every", "1"]


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Rendering and drawing would take most of the time of these runs."""
    for place, name, instead in CHEAP:
        monkeypatch.setattr(place, name, instead)


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """Four steps in half a second."""
    return tiny_settings(tmp_path / "run")


def resumed(settings: TrainSettings) -> Run:
    """What a process that takes up the run begins with."""
    network = make_network(settings, torch.device("cpu"))
    alone = Processes(0, 1, torch.device("cpu"))
    return start_or_resume(settings, network, make_curriculum(settings, network.config), alone)


def test_a_run_leaves_its_state_its_history_and_the_weights_for_release(settings):
    settings = replace(settings, decay_steps=1)

    release = train(settings)

    run = resumed(settings)
    assert (run.step, run.pairs_seen) == (4, 8)
    assert [entry["step"] for entry in run.history] == [2, 4]
    assert run.history[-1]["depth_absrel"] > 0
    assert sorted(path.name for path in settings.output.iterdir()) == [
        "curves.json",
        "log.jsonl",
        "release",
        "run.json",
        "stable.safetensors",
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


def test_an_interrupted_run_goes_on_exactly(settings, tmp_path):
    """Half of the pairs are drawn from earlier steps, which the second process never rendered."""
    settings = replace(settings, steps=6, save_every=4)
    train(settings)
    interrupted = replace(settings, output=tmp_path / "interrupted")

    for step in (2, 3):
        with asked_to_stop(step):
            train(interrupted)
        assert resumed(interrupted).step == step
    train(interrupted)

    assert_equal_states(state_of(settings), state_of(interrupted))
    losses = [[line["total"] for line in read_log(run.output)] for run in (settings, interrupted)]
    assert losses[0] == losses[1]
    assert resumed(settings).history == resumed(interrupted).history


def test_the_split_into_micro_batches_follows_from_the_setting_alone(settings, tmp_path):
    settings = replace(settings, pairs_per_step=3, micro_batch=2)
    train(settings)

    assert [line["pairs"] for line in read_log(settings.output)] == [3, 6, 9, 12]


def test_a_finished_run_does_nothing_more(settings):
    train(settings)
    before = state_of(settings)

    train(settings)

    assert_equal_states(state_of(settings), before)


def test_a_finished_run_that_is_extended_is_as_if_it_had_been_planned_so(settings, tmp_path):
    planned = replace(settings, output=tmp_path / "planned", steps=6, decay_steps=2)
    train(planned)
    settings = replace(settings, steps=4, decay_steps=2)
    train(settings)

    train(replace(settings, steps=6))

    assert_equal_states(state_of(planned), state_of(settings))
    assert [entry["step"] for entry in resumed(settings).history] == [2, 4, 6]
    assert pointmap.load_model(settings.output / "release-4")  # what the shorter run had come to


def test_a_run_can_be_told_to_decay_now(settings):
    with asked_to_stop(step=3):
        train(replace(settings, steps=100))

    shorter = replace(settings, steps=5, decay_steps=2)
    train(shorter)

    run = resumed(shorter)
    assert (run.step, run.decayed_from) == (5, 3)
    curriculum = make_curriculum(shorter, run.network.config)
    assert [curriculum.rate_factor(step) for step in (3, 4)] == pytest.approx([2 / 3, 1 / 3])


def test_steps_without_finite_gradients_leave_the_weights_as_they_are(settings, monkeypatch):
    spoil_losses(monkeypatch, steps={1, 2})

    train(replace(settings, steps=3, patience=3))
    run = resumed(settings)

    assert run.step == 3
    assert all(value.isfinite().all() for value in state_of(settings).values())


def test_a_run_that_diverges_goes_back_and_slows_down(settings, monkeypatch, capsys):
    spoil_losses(monkeypatch, steps={2, 3}, times=2)

    train(replace(settings, steps=6, patience=2, save_every=2, decay_steps=1))

    run = resumed(settings)
    assert (run.step, run.setbacks) == (6, 1)
    assert "back to step 2, at 1/2 of the learning rates" in capsys.readouterr().out
    assert [line["step"] for line in read_log(settings.output)] == [1, 2, 3, 4, 5, 6]
    assert all(value.isfinite().all() for value in state_of(settings).values())


def test_a_run_that_diverges_again_and_again_is_given_up(settings, monkeypatch):
    spoil_losses(monkeypatch, steps={1})

    with pytest.raises(InputError, match=r"Training diverges: for the 5th time.*Lower --matrix-rate"):
        train(replace(settings, patience=1))


def spoil_losses(monkeypatch: pytest.MonkeyPatch, steps: set[int], times: int = 1000) -> None:
    """The losses of these steps, counted from 0, are not finite; so many times in all."""
    compute, current, left = step_module.compute_losses, {}, [times]
    follow_step = step_module.take_step

    def take_step(run, *arguments):
        current["step"] = run.step
        return follow_step(run, *arguments)

    def compute_losses(*arguments):
        losses = compute(*arguments)
        if current["step"] not in steps or not left[0]:
            return losses
        left[0] -= 1
        return replace(losses, total=losses.total * torch.nan)

    monkeypatch.setattr("pointmap.train.loop.take_step", take_step)
    monkeypatch.setattr(step_module, "compute_losses", compute_losses)


def test_images_grow_in_stages_and_the_released_network_is_of_the_last(settings, monkeypatch):
    seen = []
    compute = step_module.compute_losses

    def compute_losses(network, batch, *arguments):
        seen.append(max(batch.depths.shape[-2:]))
        return compute(network, batch, *arguments)

    monkeypatch.setattr(step_module, "compute_losses", compute_losses)

    released = train(replace(settings, stages="32:0.75,48:0.25"))

    assert seen == [32, 32, 32, 48]
    assert pointmap.load_model(released).config == replace(PRESETS["nano"], image_size=48)


def test_steps_of_matches_alone_leave_the_decoders_as_they_are(settings):
    settings = replace(settings, matching_steps=1.0, matching_size=64)
    start = resumed(settings).network.state_dict()

    train(settings)

    run = resumed(settings)
    changed = {name for name, value in run.network.state_dict().items() if not value.equal(start[name])}
    assert {name.split(".")[0] for name in changed} >= {"enc_blocks", "match"}
    assert not [name for name in changed if name.startswith(("dec_", "downstream_"))]
    for line in read_log(settings.output):
        assert line["total"] == pytest.approx(line["matching"], abs=1e-3)
        assert line["matching"] > 0 == line["regression_i"]


def test_photos_are_learnt_from_and_validated_on(settings, tmp_path, capsys):
    depth = write_photos(tmp_path / "with depth", rendered_views())
    plain = write_photos(tmp_path / "without", rendered_views(), with_depth=False)
    options = ["--train-photos", str(depth), "--train-photos", str(plain), "--validate-photos", str(depth)]
    options += ["--validate-photos", str(plain), "--photo-share", "1", "--loss-rays", "0.5", "--steps", "4"]

    code = main(["--output", str(settings.output), *options, *QUICK, "--device", "cpu"])

    assert code == 0
    known, unknown = (resumed(settings).history[-1][name] for name in ("with depth", "without"))
    assert known["depth_absrel"] > 0
    assert known["match_px"] > 0
    for name in ("points_i", "depth_absrel", "match_px"):
        assert math.isnan(unknown[name])
    assert 0 < unknown["rotation_deg"] <= 180
    assert unknown["focal_log"] > 0
    assert all(math.isfinite(line["total"]) and line["rays"] > 0 for line in read_log(settings.output))
    assert re.search(r"without +nan +nan", capsys.readouterr().out)


def test_folders_of_photos_that_would_share_a_name_are_refused(settings, tmp_path):
    folders = [str(write_photos(tmp_path / place / "sofa", rendered_views())) for place in "ab"]

    with pytest.raises(InputError, match=r"would be called 'sofa' like others"):
        train(replace(settings, validate_photos=tuple(folders)))
    assert not settings.output.exists()


def test_a_missing_folder_of_photos_is_told_before_anything_is_written(settings, tmp_path):
    with pytest.raises(InputError, match=r"no '.*nowhere/cameras.json'"):
        train(replace(settings, validate_photos=(str(tmp_path / "nowhere"),)))
    assert not settings.output.exists()


def test_another_seed_starts_from_other_weights(settings):
    name = "enc_blocks.0.attn.qkv.weight"
    first, again, other = (resumed(replace(settings, seed=seed)).network.state_dict()[name] for seed in (0, 0, 1))

    assert first.equal(again)
    assert not first.equal(other)


def test_a_new_run_can_start_from_released_weights(settings, tmp_path):
    released = train(settings)
    later = replace(settings, output=tmp_path / "later", weights=str(released))

    run = resumed(later)

    expected = pointmap.load_model(released, precision="fp32").state_dict()
    assert run.step == 0
    for state in (run.network.state_dict(), run.averaged.state_dict()):
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value)
    assert all(parameter.dtype == torch.float32 for parameter in run.network.parameters())


@pytest.mark.parametrize(
    "changes",
    [{"head": "dpt"}, {"head": "linear"}, {"head": "dpt", "descriptor_dim": 8}],
    ids=["dpt", "linear", "mast3r"],
)
def test_networks_of_the_published_kinds_can_be_trained_further(settings, tmp_path, changes):
    """They have no match read-out and say nothing of the sky; MASt3R's have descriptors."""
    sizes = {"encoder_dim": 32, "encoder_depth": 1, "encoder_heads": 1, "decoder_dim": 32, "decoder_depth": 4}
    narrow = {"decoder_heads": 1, "dpt_widths": (8, 8, 8, 8), "dpt_features": 8, "image_size": 32}
    config = NetworkConfig(**sizes, **narrow, **changes)
    save_model(Network(config), tmp_path / "published")
    settings = replace(settings, preset="", weights=str(tmp_path / "published"), shapes="1:1", steps=2)
    start = resumed(settings).network.state_dict()

    released = train(settings)

    assert pointmap.load_model(released).config == config
    assert all(parameter.isfinite().all() for parameter in resumed(settings).network.parameters())
    moved = resumed(settings).network.state_dict()["dec_blocks.0.attn.qkv.weight"]
    assert not moved.equal(start["dec_blocks.0.attn.qkv.weight"])
    last = read_log(settings.output)[-1]
    assert last["matching"] == last["sky"] == 0
    assert (last["descriptors"] > 0) == ("descriptor_dim" in changes)
    assert math.isnan(resumed(settings).history[-1]["match_px"])


def test_a_published_pickle_is_tuned_on_posed_photos_alone(settings, tmp_path):
    weights = write_pth(tmp_path / "published.pth", make_published().state_dict())
    folder = write_photos(tmp_path / "photos", rendered_views())
    changes = {
        "preset": "",
        "weights": str(weights),
        "train_photos": (str(folder),),
        "photo_share": 1.0,
        "shapes": "1:1",
    }

    released = train(replace(settings, **changes))

    before, after = make_published().state_dict(), pointmap.load_model(released, precision="fp32").state_dict()
    assert set(after) == set(before)
    assert not after["enc_blocks.0.attn.qkv.weight"].equal(before["enc_blocks.0.attn.qkv.weight"])
    assert all(value.isfinite().all() for value in after.values())


def test_the_state_of_another_network_is_refused(settings):
    train(replace(settings, steps=1))

    with pytest.raises(InputError, match="another network"):
        train(replace(settings, preset="small"))


def test_the_weights_say_what_network_is_trained(settings, tmp_path):
    released = train(replace(settings, steps=1))

    assert resumed(replace(settings, output=tmp_path / "later", preset="", weights=str(released))).step == 0
    with pytest.raises(InputError, match=r"not of the preset 'small'"):
        train(replace(settings, output=tmp_path / "later", preset="small", weights=str(released)))


def test_a_truncated_state_is_refused_and_left_as_it_is(settings):
    train(replace(settings, steps=1))
    path = settings.output / "state.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(InputError, match=r"cannot be resumed.*damaged"):
        train(settings)

    assert path.read_bytes() == content[: len(content) // 2]


@pytest.mark.parametrize("extra", [[], ["--baselines"]])
def test_an_unknown_preset_is_refused_with_the_choices(tmp_path, capsys, extra):
    code = main(["--output", str(tmp_path), "--preset", "enormous", *extra])

    assert code == 2
    assert re.search(r"error: Unknown preset 'enormous'.*nano, tiny, small", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("preset", ["nano", "tiny", "small"])
def test_validation_images_are_landscape_and_portrait_in_whole_tokens(preset):
    config = PRESETS[preset]

    landscape, portrait = validation_sizes(config)

    assert landscape == portrait[::-1]
    assert max(landscape) == landscape[1] == config.image_size
    assert all(side % config.patch_size == 0 for side in landscape)


def run_until_terminated(command: list[str], step: int) -> tuple[int, str]:
    """Start a run, ask it to stop after a step; its exit code and what it printed."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith(f"step {step} "):
                process.send_signal(signal.SIGTERM)
        return process.wait(timeout=60), "".join(lines)
    finally:
        process.kill()


def test_a_run_that_is_terminated_saves_its_state_first(tmp_path):
    code, output = run_until_terminated(
        ["-m", "pointmap.train", "--output", str(tmp_path / "run"), "--steps", "100000", *QUICK], step=2
    )

    assert code == 0, output
    assert "Weights: " in output
    assert json.loads((tmp_path / "run" / "run.json").read_text())["step"] >= 2
    assert pointmap.load_model(tmp_path / "run" / "release").config == PRESETS["nano"]


@pytest.mark.slow
def test_two_processes_agree_on_when_to_stop(tmp_path):
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
    run = ["-m", "pointmap.train", "--output", str(tmp_path / "run"), "--steps", "100000", "--average-every", "5"]

    _, output = run_until_terminated([*launcher, *run, *QUICK], step=7)  # by then both have met

    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["step"] % 5 == 0, output
    assert facts["pairs_seen"] == 2 * facts["step"]
    assert output.count("Weights: ") == 2, output  # both came to their end; torchrun itself then reports the signal
