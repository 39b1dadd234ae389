"""A real Gradio server with the demo's guards, and visitors who try to read what is not theirs."""

import http.server
import os
import threading
import zipfile
from pathlib import Path

import httpx
import pytest
from visitors import open_demo, photo_bytes

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
gr = pytest.importorskip("gradio")

from gradio_client import Client, handle_file  # noqa: E402
from ports import free_port  # noqa: E402

from pointmap.demo.visitors.intake import take_files  # noqa: E402
from pointmap.demo.visitors.routes import make_routes  # noqa: E402
from pointmap.demo.visitors.uploads import remove_old_uploads  # noqa: E402


class Demo:
    """Files go in, a result comes out; `seen` are the paths that reached the handler."""

    def __init__(self, folder: Path):
        self.cache = folder / "cache"
        self.secret = folder / "secret.jpg"
        self.secret.write_bytes(photo_bytes(99))
        self.sessions, _ = open_demo(folder, file_megabytes=1, session_megabytes=5)
        self.seen: list[str] = []
        with gr.Blocks() as self.blocks:
            files, words, one = gr.File(file_count="multiple"), gr.JSON(), gr.File()
            self.offer(self.take, [files], [words])
            self.offer(self.echo, [words], [words])
            self.offer(self.export, [], [one])
            self.offer(self.export_plainly, [], [one])
        _, self.address, _ = self.blocks.launch(
            server_name="127.0.0.1",
            server_port=free_port(),
            prevent_thread_lock=True,
            quiet=True,
            app_kwargs={"routes": make_routes(self.sessions)},
            max_file_size="1mb",
            run_history=False,
            ssr_mode=False,
        )
        self.http = httpx.Client(base_url=self.address, timeout=30)

    @staticmethod
    def offer(function, inputs, outputs):
        gr.Button().click(function, inputs, outputs, api_name=function.__name__, queue=False)

    def take(self, files: list[str] | None, request: gr.Request):
        self.seen += files or []
        session = self.sessions.of(request.session_hash)
        taken = take_files(session, [(Path(file).name, Path(file)) for file in files or []], self.sessions.limits)
        return {"added": taken.added, "words": taken.in_words}

    def echo(self, words, request: gr.Request):
        return words

    def export(self, request: gr.Request):
        return str(self.sessions.hand_out(self._result(request)))

    def export_plainly(self, request: gr.Request):
        return str(self._result(request))

    def _result(self, request: gr.Request) -> Path:
        file = self.sessions.of(request.session_hash).result / "scene.glb"
        file.write_bytes(b"glTF of " + request.session_hash.encode())
        return file

    def call(self, function: str, visitor: str, *data) -> httpx.Response:
        return self.http.post(f"/gradio_api/run/{function}", json={"data": list(data), "session_hash": visitor})

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.http.post("/gradio_api/upload", files={"files": (name, content)})


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "cache"))
        demo = Demo(folder)
        yield demo
        demo.http.close()
        demo.blocks.close(verbose=False)
        demo.sessions.clear()


@pytest.fixture(scope="module")
def inner_host():
    """A server that only this machine can reach; the paths that were asked for."""
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(photo_bytes(5))

        def log_message(self, *given):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def as_file(path: str, **more) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


def test_uploads_become_photos(demo):
    path = demo.upload("a.jpg", photo_bytes()).json()[0]

    answer = demo.call("take", "alice", [as_file(path)])

    assert answer.json()["data"] == [{"added": 1, "words": ""}]
    assert demo.sessions.of("alice").photos[0].name == "a.jpg"
    assert not Path(path).parents[1].exists()  # where it lay until then


def test_files_of_one_upload_may_be_given_one_by_one(demo):
    files = [("files", (f"{index}.jpg", photo_bytes(index))) for index in range(2)]
    paths = demo.http.post("/gradio_api/upload", files=files).json()

    for path in paths:
        assert demo.call("take", "bob", [as_file(path)]).json()["data"] == [{"added": 1, "words": ""}]
    again = demo.call("take", "bob", [as_file(paths[0])]).json()["data"][0]
    assert again["words"].endswith("cannot be read (No such file or directory). Upload it again.")


def test_programs_give_photos_and_get_results(demo, tmp_path):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(photo_bytes())
    client = Client(demo.address, verbose=False, download_files=str(tmp_path / "got"))

    assert client.predict([handle_file(str(photo))], api_name="/take") == {"added": 1, "words": ""}
    for function in ("/export", "/export_plainly"):
        assert Path(client.predict(api_name=function)).read_bytes() == b"glTF of " + client.session_hash.encode()
    client.close()


def test_no_path_of_the_host_is_taken_for_an_upload(demo):
    session = demo.sessions.of("victim")
    (session.folder / "photos" / "p1.jpg").write_bytes(photo_bytes(3))
    inside = demo.cache / "given"
    inside.mkdir(parents=True, exist_ok=True)
    (inside / "link.jpg").symlink_to(demo.secret)
    paths = [
        "/etc/passwd",
        str(session.folder / "photos" / "p1.jpg"),
        str(demo.secret),
        "../secret.jpg",
        f"{demo.cache}/../secret.jpg",
        f"{demo.cache}/given/../../secret.jpg",
        str(inside / "link.jpg"),
        "file:///etc/passwd",
        "",
    ]
    demo.seen.clear()

    for path in paths:
        for given in (as_file(path), {"path": path}, as_file(path, url=path, orig_name="a.jpg")):
            answer = demo.call("take", "mallory", [given])
            assert answer.status_code == 500, given
            assert "root:" not in answer.text
    assert demo.seen == []
    assert demo.sessions.of("mallory").photos == []


def test_nothing_is_fetched_for_visitors(demo, inner_host):
    host, asked = inner_host
    addresses = [
        f"{host}/a.jpg",
        "https://example.com/a.jpg",
        "http://169.254.169.254/latest/meta-data",
        "ftp://a.b/c.jpg",
    ]
    path = demo.upload("a.jpg", photo_bytes()).json()[0]
    demo.seen.clear()

    for address in addresses:
        assert demo.call("take", "mallory", [as_file(address)]).status_code == 500
        assert demo.call("take", "mallory", [{"url": address}]).status_code == 500
        assert demo.http.get(f"/gradio_api/file={address}").status_code == 403
        assert demo.http.get(f"/gradio_api/proxy={address}").status_code == 404
        if address.startswith("http"):
            for answer in (
                demo.call("take", "mallory", [as_file(address)]),
                demo.call("echo", "mallory", as_file(address)),
            ):
                assert "Give files, not addresses" in answer.text  # Gradio itself fetches what is public
    assert demo.seen == []
    assert demo.call("take", "mallory", [as_file(path, url=addresses[0])]).json()["data"][0]["added"] == 1
    assert asked == []


def test_uploads_are_never_given_back_not_even_to_their_sender(demo):
    content = b"<html><script>alert(1)</script>"
    path = demo.upload("page.html", content).json()[0]
    assert Path(path).read_bytes() == content

    for address in (f"file={path}", f"file/{path}", f"file=/{path}", f"file={path}/../page.html"):
        answer = demo.http.get(f"/gradio_api/{address}")
        assert answer.status_code in (403, 404)
        assert b"script" not in answer.content
    for address in ("/etc/passwd", demo.secret, demo.sessions.of("alice").photos[0].file, "..%2f..%2fetc%2fpasswd"):
        for way in ("gradio_api/file=", "file=", "gradio_api/file/", "gradio_api/file=."):
            assert demo.http.get(f"/{way}{address}").status_code in (403, 404)


def test_the_same_file_of_two_visitors_lies_in_two_places(demo):
    first, second = (demo.upload("a.jpg", photo_bytes()).json()[0] for _ in range(2))

    assert first != second
    for path in (first, second):
        part = Path(path).relative_to(demo.cache / "given").parts[0]
        assert len(part) == 32  # 128 bits that only the sender was told


def test_results_are_given_and_nothing_beside_them(demo):
    url = demo.call("export", "alice").json()["data"][0]["url"]
    path = Path(demo.call("export", "alice").json()["data"][0]["path"])

    answer = demo.http.get(url)
    assert answer.content == b"glTF of alice"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    (path.parent / "link.glb").symlink_to(demo.secret)
    (path.parent / ".hidden").write_text("hidden")
    (demo.cache / "tmpfile").write_text("in the works")
    for other in ("link.glb", ".hidden", "..", "../tmpfile", "no.glb"):
        assert demo.http.get(f"/gradio_api/file={path.parent}/{other}").status_code in (403, 404)


def test_photos_are_seen_by_their_owner_alone(demo):
    alice, mallory = demo.sessions.of("alice"), demo.sessions.of("mallory")

    assert demo.http.get(f"/scenes/{alice.token}/photos/p1.jpg").status_code == 200
    assert demo.http.get(f"/scenes/{mallory.token}/photos/p9.jpg").status_code == 404
    assert demo.http.get(f"/scenes/{alice.link}/photos/p1.jpg").status_code == 403
    for path in ("..%2f..%2f..%2fetc%2fpasswd", f"..%2f..%2f{alice.folder.name}%2fphotos%2fp1"):
        assert demo.http.get(f"/scenes/{mallory.token}/photos/{path}.jpg").status_code == 404
        assert demo.http.get(f"/scenes/{mallory.token}/files/{path}").status_code == 404


def test_a_link_in_a_zip_leads_nowhere(demo, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        link = zipfile.ZipInfo("passwd.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("../../../../../../tmp/evil.jpg", photo_bytes(7))

    path = demo.upload("photos.zip", (tmp_path / "photos.zip").read_bytes()).json()[0]
    answer = demo.call("take", "zipper", [as_file(path)]).json()["data"][0]

    assert answer["added"] == 1
    assert "passwd.jpg is a link, not a photo." in answer["words"]
    assert demo.sessions.of("zipper").photos[0].file.parent == demo.sessions.of("zipper").folder / "photos"


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/gradio_api/deep_link?session_hash=alice"),
        ("GET", "/gradio_api/custom_component/x/client/component/index.js"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/stream/alice/1/1/playlist.m3u8"),
        ("POST", "/gradio_api/stream/1"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit/"),
        ("GET", "/gradio_api/vibe-code"),
        ("POST", "/gradio_api/undo-vibe-edit"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/run-history/buckets"),
        ("GET", "/gradio_api/profiling/traces"),
        ("GET", "/gradio_api/upload"),
        ("HEAD", "/gradio_api/proxy=https://example.com/"),
        ("POST", "/gradio_api/file=/etc/passwd"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("GET", "/pwa_icon/50000"),
        ("POST", "/login"),
    ],
)
def test_what_the_demo_does_not_need_is_not_there(demo, method, address):
    answer = demo.http.request(method, address)

    assert answer.status_code == 404
    assert method == "HEAD" or answer.text == "Not found."  # it is ours, not Gradio's


@pytest.mark.parametrize("address", ["/", "/config", "/gradio_api/info", "/gradio_api/startup-events", "/theme.css"])
def test_what_the_page_needs_is_there(demo, address):
    assert demo.http.get(address).status_code == 200


def test_uploads_beyond_the_limits_are_refused_and_leave_nothing(demo):
    def folders() -> list[Path]:
        return sorted((demo.cache / "given").glob("*"))

    before = folders()

    assert demo.upload("large.jpg", bytes(1_100_000)).status_code == 413
    many = [("files", (f"{index}.jpg", bytes(900_000))) for index in range(20)]
    assert demo.http.post("/gradio_api/upload", files=many).status_code == 413
    body = (chunk for chunk in [b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n', b"half"])
    answer = demo.http.post(
        "/gradio_api/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.json() == []  # it breaks off
    assert demo.http.post("/gradio_api/upload", content=b"no form").status_code == 400
    assert folders() == before


def test_uploads_that_nobody_took_do_not_stay(tmp_path):
    old, young = (tmp_path / "given" / name for name in ("old", "young"))
    for folder in (old, young):
        (folder / "hash").mkdir(parents=True)
        (folder / "hash" / "a.jpg").write_bytes(b"a")
    kept, empty = tmp_path / "kept", tmp_path / "empty"
    for folder in (kept, empty):
        folder.mkdir()
    (kept / "scene.glb").write_bytes(b"glTF")
    (tmp_path / "tmpempty").touch()
    for path in (old / "hash", old, kept, empty, tmp_path / "tmpempty"):
        os.utime(path, (0, 0))

    remove_old_uploads(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "kept"]
    assert list((tmp_path / "given").iterdir()) == [young]
