"""Networks of others by their name on the hub: downloaded once, then used without asking again."""

import pytest
from glue_models import glue_folder
from hub_server import Repository, serve
from spots import spots

from pointmap.matchers import GLUE, load_matcher

constants = pytest.importorskip("huggingface_hub.constants")
pytest.importorskip("transformers")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small LightGlue under the name of the published one."""
    folder = glue_folder("lightglue", tmp_path / "source")
    repository = Repository({path.name: path.read_bytes() for path in folder.iterdir()})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve({GLUE["lightglue"]: repository}) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield repository


def test_a_published_matcher_is_downloaded_once(repository):
    first = load_matcher("lightglue", device="cpu")
    asked = len(repository.requests)

    again = load_matcher(f"{GLUE['lightglue']}@{repository.commit}", device="cpu")

    assert any("model.safetensors" in request for request in repository.requests)
    assert len(repository.requests) == asked
    described = first.describe(spots(0))
    assert len(first.match(described, again.describe(spots(0)))) > 0
