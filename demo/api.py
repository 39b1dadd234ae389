"""The demo for programs: what the page can do, as functions for `gradio_client` (and, if the server was told so, MCP).

    from gradio_client import Client, handle_file

    client = Client("http://127.0.0.1:7860")
    report = client.predict([handle_file("1.jpg"), handle_file("2.jpg")], api_name="/reconstruct")
    files = client.predict(["glb", "colmap"], api_name="/export")

A client is a visitor like any other: it has one scene at a time, waits in the same line, and its files go when it does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from pointmap.demo.limits import Limits
from pointmap.demo.page.pictures import picture
from pointmap.demo.visitors.intake import clear_photos, take_files
from pointmap.demo.visitors.sessions import Session, Sessions
from pointmap.demo.work.line import Done, Line
from pointmap.errors import Cancelled, InputError
from pointmap.export.cameras import cameras_dict
from pointmap.scene import Scene


def add_api(sessions: Sessions, line: Line, limits: Limits) -> None:
    """Add the functions to the open `gr.Blocks`; they show nothing."""
    api = _Api(sessions, line, limits)
    with gr.Row(visible=False):
        photos = gr.File(file_count="multiple", label="photos")
        model = gr.Textbox("small", label="model")
        pairs = gr.Textbox("auto", label="pairs")
        image_size = gr.Number(0, precision=0, label="image_size")
        focal_35mm = gr.Number(0, label="focal_35mm")
        mask_sky = gr.Checkbox(False, label="mask_sky")
        surface = gr.Checkbox(True, label="surface")
        rate = gr.Number(2, label="frames_per_second")
        formats = gr.JSON(label="formats")
        percentile = gr.Number(0, label="confidence_percentile")
        index, other = gr.Number(0, precision=0, label="index"), gr.Number(1, precision=0, label="other_index")
        kind = gr.Textbox("depth", label="kind")
        factor, unit = gr.Number(1, label="factor"), gr.Textbox("m", label="unit")
        report, files, one_file = gr.JSON(), gr.File(file_count="multiple"), gr.File()
        settings = [model, pairs, image_size, focal_35mm, mask_sky, surface, rate]

        def offer(function: Callable[..., Any], inputs: list[Any], outputs: list[Any], *, queue: bool = True) -> None:
            gr.Button().click(
                function, inputs, outputs, api_name=function.__name__, queue=queue, concurrency_limit=None
            )

        offer(api.reconstruct, [photos, *settings], [report])
        offer(api.status, [], [report], queue=False)
        offer(api.cancel, [], [report], queue=False)
        offer(api.export, [formats, percentile, mask_sky], [files])
        offer(api.cameras, [], [report])
        offer(api.picture, [index, kind], [one_file])
        offer(api.matches, [index, other], [report, one_file])
        offer(api.set_scale, [factor, unit], [report])
        offer(api.close, [], [report], queue=False)


class _Api:
    """The functions; their docstrings are the documentation that clients see."""

    def __init__(self, sessions: Sessions, line: Line, limits: Limits) -> None:
        self.sessions, self.line, self.limits = sessions, line, limits
        self.last: dict[str, dict[str, Any]] = {}

    async def reconstruct(
        self,
        photos: list[str],
        model: str,
        pairs: str,
        image_size: float,
        focal_35mm: float,
        mask_sky: bool,
        surface: bool,
        frames_per_second: float,
        request: gr.Request,
    ) -> dict[str, Any]:
        """Photos, zips of photos or videos to a scene, which is kept for the other functions.

        Args:
            photos: The files.
            model: "small", "tiny", "classical", or another one that is here (`pointmap models`).
            pairs: Which photos meet: "auto", "complete", "retrieval-10", "window-3".
            image_size: Long side in pixels of the images that the network sees; 0: what suits it.
            focal_35mm: The lens, as millimetres on a camera of 36x24 mm; 0: found out.
            mask_sky: Leave out the sky.
            surface: Also make the textured surface.
            frames_per_second: Of videos, at most.

        Returns:
            {"photos", "registered", "not_registered", "dropped", "skipped", "left_out", "notes", "seconds", "surface",
            "no_surface", "link": address of the scene's page}.
        """
        session = self._session(request)
        clear_photos(session)
        uploads = [(str(getattr(file, "orig_name", None) or Path(file).name), Path(file)) for file in photos or []]
        taken = await self._told(
            asyncio.to_thread(take_files, session, uploads, self.limits, frames_per_second=frames_per_second)
        )
        if not session.photos:
            raise _said(taken.in_words or "There are no photos: give some.")
        settings = {"model": model, "pairs": pairs, "mask_sky": mask_sky, "surface": surface}
        settings |= {"image_size": int(image_size)} if image_size else {}
        settings |= {"focal_35mm": focal_35mm} if focal_35mm else {}
        report = await self._run(session, "reconstruct", {"photos": session.entries(), "settings": settings})
        return report | {"left_out": [list(pair) for pair in taken.refused], "link": f"scenes/{session.link}/"}

    def status(self, request: gr.Request) -> dict[str, Any]:
        """How the present run stands: {"event": "Waiting", "place"} or {"event": "Working", "stage", "share"}."""
        return self.last.get(self._session(request).token, {"event": "Idle"})

    def cancel(self, request: gr.Request) -> dict[str, Any]:
        """Stop the present run: {"cancelled": whether there was one}."""
        return {"cancelled": self.line.cancel(self._session(request))}

    async def export(
        self, formats: list[str], confidence_percentile: float, mask_sky: bool, request: gr.Request
    ) -> list[str]:
        """Files of the kept scene.

        Args:
            formats: Of "glb", "ply", "obj", "stl", "usdz", "splats", "colmap", "nerfstudio", "tum", "depth", "html",
                "json", "npz".
            confidence_percentile: Leave out so many percent of the points, the least sure.
            mask_sky: Leave out the sky.

        Returns:
            The files; folders are zipped.
        """
        session = self._session(request)
        scale = {"factor": session.factor, "metric": bool(self._scene(session).metric)}
        keep = {"confidence_percentile": confidence_percentile or None, "mask_sky": mask_sky}
        result = await self._run(session, "export", {"formats": list(formats or []), "keep": keep, **scale})
        if not result["files"]:
            raise _said("; ".join(f"{entry['format']}: {entry['reason']}" for entry in result["failed"]))
        return [self._give(session.result / "files" / entry["name"]) for entry in result["files"]]

    def cameras(self, request: gr.Request) -> dict[str, Any]:
        """The cameras of the kept scene, as in cameras.json: intrinsics in pixels of the photos, poses, convention."""
        return cameras_dict(self._scene(self._session(request)))

    def picture(self, index: float, kind: str, request: gr.Request) -> str:
        """What the scene knows of a photo, as a JPEG.

        Args:
            index: Of the photo, from 0.
            kind: "photo", "depth", "confidence" or "normals".
        """
        session = self._session(request)
        scene = self._scene(session)
        try:
            content = picture(scene, int(index), kind)  # type: ignore[arg-type]
        except (IndexError, ValueError) as error:
            raise _said(f"There is no picture {kind!r} of photo {int(index)}.") from error
        file = session.result / f"api-{int(index)}-{kind}.jpg"
        file.write_bytes(content)
        return self._give(file)

    async def matches(self, index: float, other_index: float, request: gr.Request) -> tuple[dict[str, Any], str]:
        """What two of the given photos share: {"matches", "agreed"} and a picture.

        Args:
            index: Of one photo, from 0.
            other_index: Of the other.
        """
        session = self._session(request)
        entries = session.entries()
        if not {int(index), int(other_index)} <= set(range(len(entries))):
            raise _said(f"There are {len(entries)} photos; give two numbers from 0 on.")
        two = [entries[int(index)], entries[int(other_index)]]
        result = await self._run(session, "match", {"photos": two, "matcher": "sift"})
        return result, self._give(session.result / "matches.jpg")

    def set_scale(self, factor: float, unit: str, request: gr.Request) -> dict[str, Any]:
        """Say how many units one unit of the scene, as it was found, really is; exports and cameras follow.

        Args:
            factor: Units per unit of the scene.
            unit: Such as "m".
        """
        session = self._session(request)
        self._scene(session)
        try:
            session.set_scale(factor, unit)
        except InputError as error:
            raise _said(str(error)) from error
        return {"factor": session.factor, "unit": session.unit}

    def close(self, request: gr.Request) -> dict[str, Any]:
        """Stop and remove everything of this client now."""
        session = self._session(request)
        self.line.cancel(session)
        self.last.pop(session.token, None)
        self.sessions.close(session)
        return {"closed": True}

    def _session(self, request: gr.Request) -> Session:
        return self.sessions.of(request.session_hash or "")

    def _scene(self, session: Session) -> Scene:
        scene = session.scene()
        if scene is None:
            raise _said("There is no scene yet: call /reconstruct first.")
        return scene

    async def _run(self, session: Session, job: str, request: dict[str, Any]) -> dict[str, Any]:
        async def through() -> dict[str, Any]:
            async for event in self.line.run(session, job, request):
                self.last[session.token] = {"event": type(event).__name__} | asdict(event)
                if isinstance(event, Done):
                    return event.result
            raise _said("The run ended without a result.")

        try:
            return await self._told(through())
        finally:
            self.last.pop(session.token, None)

    async def _told(self, work: Awaitable[Any]) -> Any:
        """What goes wrong for the visitor's reasons is said to the visitor."""
        try:
            return await work
        except InputError as error:
            raise _said(str(error)) from error
        except Cancelled as error:
            raise _said("Cancelled.") from error

    def _give(self, file: Path) -> str:
        return str(self.sessions.hand_out(file))


def _said(message: str) -> gr.Error:
    """An error that is the visitor's to know, and nobody else's."""
    return gr.Error(message, print_exception=False)
