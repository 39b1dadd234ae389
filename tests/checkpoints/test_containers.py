"""Files of weights from anywhere: nothing in them runs, and what is wrong with them is said."""

import argparse
import json
import math
import os
import pickle

import pytest
import torch
from checkpoint_files import CONSTRUCTOR, make_network, write_folder, write_pth

import pointmap
from pointmap.checkpoints.containers import parse_constructor, read_checkpoint
from pointmap.errors import InputError


class Payload:
    """Unpickled by a careless reader, it creates a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_the_payload_does_run_for_a_careless_reader(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "made")))

    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("place", ["beside the weights", "in the arguments", "as the weights"])
@pytest.mark.parametrize("archive", ["zip", "legacy", "plain pickle"])
def test_code_in_a_pickle_never_runs(tmp_path, archive, place):
    made, path = tmp_path / "made", tmp_path / "evil.pth"
    content = {"model": {"a": torch.zeros(2)}, "args": argparse.Namespace(model=CONSTRUCTOR)}
    if place == "beside the weights":
        content["epoch"] = Payload(made)
    elif place == "in the arguments":
        content["args"] = argparse.Namespace(model=Payload(made))
    else:
        content["model"] = Payload(made)
    if archive == "plain pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=archive == "zip")

    with pytest.raises(InputError, match="never run"):
        pointmap.load_model(path)

    assert not made.exists()


@pytest.mark.parametrize(
    "call",
    [
        "Net(a=__import__('os').mkdir('{made}'))",
        "__import__('os').mkdir('{made}')",
        "Net(a=[open('{made}', 'w')])",
        "Net(a=1) if open('{made}', 'w') else 0",
        "Net(**dict(a=open('{made}', 'w')))",
    ],
)
def test_a_constructor_call_is_parsed_and_never_evaluated(tmp_path, call):
    made = tmp_path / "made"
    path = write_pth(tmp_path / "evil.pth", {"a": torch.zeros(2)}, call.format(made=made))

    with pytest.raises(InputError, match="constructor call cannot be read"):
        read_checkpoint(path)

    assert not made.exists()


def test_the_arguments_of_a_constructor_call_are_read():
    read = parse_constructor("Net(pos='RoPE100', depth_mode=('exp', -inf, inf), sizes=[1, 2.5], on=True, no=None)")

    assert read == {
        "pos": "RoPE100",
        "depth_mode": ("exp", -math.inf, math.inf),
        "sizes": (1, 2.5),
        "on": True,
        "no": None,
    }


@pytest.mark.parametrize("call", ["", "Net(", "3", "Net(1, 2)", "a.Net()", "Net(a=b)", "Net(a=1+1)", "(" * 5000])
def test_what_is_no_constructor_call_is_refused(call):
    with pytest.raises(InputError, match="constructor call"):
        parse_constructor(call)


def test_the_official_pickle_is_read_with_its_options(tmp_path):
    state = make_network().state_dict()

    checkpoint = read_checkpoint(write_pth(tmp_path / "official.pth", state))

    assert checkpoint.config["depth_mode"] == ("exp", -math.inf, math.inf)
    assert checkpoint.config["img_size"] == (64, 64)
    assert all(torch.equal(checkpoint.state[name], tensor) for name, tensor in state.items())


def test_the_state_of_training_beside_the_weights_does_no_harm(tmp_path):
    network = make_network()
    optimizer = torch.optim.AdamW(network.parameters())
    content = {"model": network.state_dict(), "optimizer": optimizer.state_dict(), "scaler": {}, "epoch": 1}
    torch.save(content | {"args": argparse.Namespace(model=CONSTRUCTOR)}, tmp_path / "training.pth")

    assert set(read_checkpoint(tmp_path / "training.pth").state) == set(network.state_dict())


def test_the_infinities_of_the_hub_are_read(tmp_path):
    folder = write_folder(tmp_path, make_network().state_dict())

    assert "-Infinity" in (folder / "config.json").read_text()
    assert read_checkpoint(folder).config["depth_mode"] == ["exp", -math.inf, math.inf]


def damaged(tmp_path, kind):
    path = tmp_path / "weights.file"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "web page":
        path.write_bytes(b"\n<!DOCTYPE html><html><body>404</body></html>")
    elif kind == "LFS pointer":
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    elif kind == "text":
        path.write_bytes(b"hello there, no weights in here")
    elif kind == "few bytes":
        path.write_bytes(b"PK")
    elif kind == "other zip":
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("photo.jpg", b"0" * 100)
    elif kind == "list":
        torch.save([torch.zeros(2)], path)
    elif kind == "no weights":
        torch.save({"epoch": 3, "args": argparse.Namespace(model=CONSTRUCTOR)}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "is empty"),
        ("web page", "web page"),
        ("LFS pointer", "git lfs pull"),
        ("text", "neither a safetensors file nor"),
        ("few bytes", "truncated"),
        ("other zip", "no checkpoint"),
        ("list", "holds a list"),
        ("no weights", "'epoch', 'args' but no weights"),
    ],
)
def test_what_is_no_file_of_weights_says_what_it_is_instead(tmp_path, kind, reason):
    with pytest.raises(InputError, match=reason):
        pointmap.load_model(damaged(tmp_path, kind))


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.999])
@pytest.mark.parametrize("layout", ["safetensors", "pth", "legacy"])
def test_a_truncated_file_is_said_to_be_truncated(tmp_path, layout, kept):
    state = make_network().state_dict()
    if layout == "safetensors":
        path = write_folder(tmp_path, state) / "model.safetensors"
    elif layout == "pth":
        path = write_pth(tmp_path / "a.pth", state)
    else:
        path = tmp_path / "legacy.pth"
        torch.save({"model": state}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])

    with pytest.raises(InputError, match=r"truncated|damaged"):
        pointmap.load_model(path)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"'])
def test_a_description_that_is_no_json_object_is_refused(tmp_path, content):
    folder = write_folder(tmp_path, make_network().state_dict())
    (folder / "config.json").write_text(content)

    with pytest.raises(InputError, match=r"config\.json"):
        pointmap.load_model(folder)


@pytest.mark.parametrize("absent", ["config.json", "model.safetensors"])
def test_a_folder_with_half_a_network_says_which_half_is_missing(tmp_path, absent):
    folder = write_folder(tmp_path, make_network().state_dict())
    (folder / absent).unlink()

    with pytest.raises(InputError, match=absent.replace(".", r"\.")):
        pointmap.load_model(folder)


def test_a_file_with_another_ending_is_read_by_its_content(tmp_path):
    state = make_network().state_dict()
    folder = write_folder(tmp_path, state)
    (folder / "model.safetensors").rename(folder / "weights.bin")

    assert json.loads((folder / "config.json").read_text())["enc_depth"] == 2
    assert set(read_checkpoint(folder / "weights.bin").state) == set(state)
