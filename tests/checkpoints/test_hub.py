"""The hub's client against a small hub on this machine: pinned, resumed, checked, kept."""

import hashlib
from dataclasses import replace

import pytest
import torch
from checkpoint_files import make_network, write_folder
from hub_server import Repository, serve

import pointmap
from pointmap.checkpoints import hub, loading, registry
from pointmap.checkpoints.hub import cached_folder, fetch
from pointmap.errors import Cancelled, InputError

constants = pytest.importorskip("huggingface_hub.constants")
HUB_ID = "somebody/network"


@pytest.fixture
def repository(tmp_path) -> Repository:
    folder = write_folder(tmp_path / "source", make_network().state_dict())
    return Repository({path.name: path.read_bytes() for path in folder.iterdir()})


@pytest.fixture
def online(tmp_path, monkeypatch, repository):
    """The client asks the small hub and has an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve({HUB_ID: repository}) as address:
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield address


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Nobody answers at the hub's address."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def test_a_network_of_the_hub_is_downloaded_once(online, repository):
    network = pointmap.load_model(HUB_ID, device="cpu", precision="fp32")
    asked = len(repository.requests)

    again = pointmap.load_model(HUB_ID, device="cpu", precision="fp32")

    for name, tensor in make_network().state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
        assert torch.equal(again.state_dict()[name], tensor)
    assert len(repository.requests) == asked


def test_a_network_stays_the_one_it_was_when_the_hub_gets_a_newer_one(online, repository):
    first = fetch(HUB_ID)
    repository.commit = "2" * 40

    assert fetch(HUB_ID) == first
    assert fetch(HUB_ID, "2" * 40) != first


def test_a_revision_is_part_of_the_name(online, repository):
    pointmap.load_model(f"{HUB_ID}@{repository.commit}", device="cpu")

    assert cached_folder(HUB_ID, repository.commit).name == repository.commit
    with pytest.raises(InputError, match="no revision 'v7'"):
        pointmap.load_model(f"{HUB_ID}@v7")


@pytest.mark.parametrize(
    "name", ["MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric", "naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt"]
)
def test_official_names_are_asked_for_at_their_pinned_revision_and_hash(monkeypatch, tmp_path, name):
    asked = []
    monkeypatch.setattr(loading, "fetch", lambda *args, **options: asked.append((args, options)) or tmp_path)

    with pytest.raises(InputError, match="has no config"):
        pointmap.load_model(name)

    ((hub_id, revision), options) = asked[0]
    known = registry.published_model(name)
    assert hub_id == f"naver/{name.removeprefix('naver/')}"
    assert revision == known.revision
    assert len(revision) == 40
    assert options["sha256"] == known.sha256
    assert len(known.sha256) == 64


def test_an_interrupted_download_continues_where_it_stopped(online, repository):
    def cancel(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        fetch(HUB_ID, progress=cancel)
    assert cached_folder(HUB_ID) is None
    repository.requests.clear()

    folder = fetch(HUB_ID)

    assert (folder / "model.safetensors").read_bytes() == repository.files["model.safetensors"]
    (request,) = [request for request in repository.requests if request.startswith("GET model")]
    assert int(request.split("=")[1][:-1]) > 0  # where the first call stopped


def test_a_connection_that_breaks_is_taken_up_again(online, repository):
    size = len(repository.files["model.safetensors"])
    repository.cut_after = size // 3

    folder = fetch(HUB_ID)

    assert (folder / "model.safetensors").read_bytes() == repository.files["model.safetensors"]
    starts = [int(request.split("=")[1][:-1]) for request in repository.requests if request.startswith("GET model")]
    assert len(starts) > 1
    assert starts == sorted(set(starts))


def test_a_connection_that_brings_nothing_is_an_error_and_not_a_loop(online, repository):
    repository.cut_after = 0

    with pytest.raises(InputError, match="the same call continues"):
        fetch(HUB_ID)


def test_a_download_that_is_not_what_the_hub_states_is_removed(online, repository, tmp_path):
    repository.stated_sha256 = "0" * 64

    with pytest.raises(InputError, match=r"damaged.*the hub states 0000"):
        fetch(HUB_ID)

    assert cached_folder(HUB_ID) is None
    repository.stated_sha256 = None
    assert (fetch(HUB_ID) / "model.safetensors").read_bytes() == repository.files["model.safetensors"]


def test_a_hub_that_states_another_hash_than_the_known_one_is_refused_before_the_download(online, repository):
    with pytest.raises(InputError, match=f"expected {'a' * 64}"):
        fetch(HUB_ID, sha256="a" * 64)

    assert not any(request.startswith("GET model.safetensors") for request in repository.requests)


@pytest.mark.parametrize("stage", ["download", "check the download"])
def test_cancelling_leaves_no_unchecked_network_and_the_next_call_finishes(online, repository, stage):
    def cancel(current: str, done: int, total: int) -> None:
        if current == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch(HUB_ID, progress=cancel)

    assert cached_folder(HUB_ID) is None
    assert cached_folder(HUB_ID, repository.commit) is None
    digest = hashlib.sha256((fetch(HUB_ID) / "model.safetensors").read_bytes()).hexdigest()
    assert digest == hashlib.sha256(repository.files["model.safetensors"]).hexdigest()


def test_progress_is_reported_in_bytes(online, repository):
    seen = []

    fetch(HUB_ID, progress=lambda *state: seen.append(state))

    size = len(repository.files["model.safetensors"])
    assert ("download", size, size) in seen
    assert seen[-1] == ("check the download", size, size)


def test_a_name_that_the_hub_does_not_have_is_said(online):
    with pytest.raises(InputError, match="has no network 'somebody/nothing'"):
        pointmap.load_model("somebody/nothing")


def test_a_repository_without_weights_of_this_layout_is_said(online, repository):
    del repository.files["model.safetensors"]

    with pytest.raises(InputError, match=r"no config\.json or no model\.safetensors"):
        pointmap.load_model(HUB_ID)


@pytest.mark.parametrize("switched_off", [False, True])
def test_without_a_network_the_error_says_how_to_load_a_local_file(offline, monkeypatch, switched_off):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", switched_off)

    with pytest.raises(InputError, match=r"could not be downloaded.*give the folder that holds both.*\.pth"):
        pointmap.load_model("DUSt3R_ViTLarge_BaseDecoder_512_dpt")


def test_what_was_downloaded_is_found_without_a_network(online, monkeypatch):
    fetch(HUB_ID)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")

    assert pointmap.load_model(HUB_ID, device="cpu").config.encoder_dim == 16


def test_the_table_says_what_is_here(online, repository, monkeypatch, capsys):
    from pointmap.cli.models import models

    here = replace(registry.PUBLISHED[0], hub_id=HUB_ID, revision=repository.commit)
    monkeypatch.setattr(registry, "PUBLISHED", (here, registry.PUBLISHED[1]))
    models()
    before = capsys.readouterr().out
    hub.fetch(HUB_ID, repository.commit)
    models()
    after = capsys.readouterr().out

    lines = [next(line for line in text.splitlines() if line.startswith(HUB_ID)) for text in (before, after)]
    assert lines[0].endswith("needs a download")
    assert lines[1].endswith("downloaded")
    assert all("532.3 M" in line and "CC BY-NC-SA 4.0" in line for line in lines)
