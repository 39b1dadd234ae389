"""The functions for programs, called as programs call them."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ports import free_port

pytest.importorskip("gradio", reason="needs the extra demo")
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from pointmap.demo.server import Demo

PHOTOS = sorted((Path(__file__).parents[2] / "demo" / "photos" / "table" / "images").iterdir())[:3]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Demo(model="tiny") as running:
        yield running.launch(port=free_port())


@pytest.fixture
def client(address, tmp_path) -> Client:
    return Client(address, verbose=False, download_files=str(tmp_path), analytics_enabled=False)


def test_a_program_gets_what_the_page_gives(client, address):
    report = client.predict(
        photos=[handle_file(photo) for photo in PHOTOS], model="tiny", surface=False, api_name="/reconstruct"
    )
    assert (report["photos"], report["registered"], report["left_out"]) == (3, 3, [])
    assert httpx.get(f"{address}{report['link']}").status_code == 200

    cloud, _, colmap = (Path(file) for file in client.predict(formats=["glb", "colmap"], api_name="/export"))
    assert cloud.read_bytes()[:4] == b"glTF"
    with zipfile.ZipFile(colmap) as archive:
        assert any(name.endswith("cameras.bin") for name in archive.namelist())

    assert Path(client.predict(index=2, kind="normals", api_name="/picture")).read_bytes()[:2] == b"\xff\xd8"
    counts, picture = client.predict(index=0, other_index=1, api_name="/matches")
    assert 0 < counts["agreed"] <= counts["matches"]
    assert Path(picture).stat().st_size > 10_000

    before = client.predict(api_name="/cameras")
    client.predict(factor=2.5, unit="m", api_name="/set_scale")
    after = client.predict(api_name="/cameras")
    assert (before["world_unit"], after["world_unit"]) == ("arbitrary", "metre")
    offsets = [[row[3] for row in cameras["images"][1]["cam_from_world"][:3]] for cameras in (before, after)]
    assert offsets[1] == pytest.approx([2.5 * value for value in offsets[0]], rel=1e-5)

    client.predict(api_name="/close")
    assert httpx.get(f"{address}{report['link']}").status_code == 404


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"photos": [handle_file(__file__)]}, "test_api.py"),
        ({"photos": [handle_file(PHOTOS[0])], "model": "/etc/passwd"}, "Choose small"),
        ({"photos": []}, "no photos"),
    ],
)
def test_what_cannot_be_used_is_said(client, given, said):
    with pytest.raises(AppError, match=said):
        client.predict(**given, api_name="/reconstruct")


def test_without_a_scene_the_first_step_is_named(client):
    with pytest.raises(AppError, match="call /reconstruct first"):
        client.predict(formats=["glb"], api_name="/export")
    assert client.predict(api_name="/status") == {"event": "Idle"}
    assert client.predict(api_name="/cancel") == {"cancelled": False}
