"""A scene in viser, whose server draws in any browser of this machine: for more points than a page can hold."""

from typing import Any, Unpack

import numpy as np

from pointmap.errors import InputError
from pointmap.export.frusta import Frusta, make_frusta
from pointmap.export.viewpoints import LevelFrame
from pointmap.extras import require
from pointmap.scene import Keep, Scene


def serve_live(
    scene: Scene, *, port: int = 8080, mesh: bool = True, max_points: int = 3_000_000, **keep: Unpack[Keep]
) -> Any:
    """Start a `viser.ViserServer` with cloud, surface and cameras; a click on a camera moves the eye into it.

    Args:
        port: Of localhost; viser takes the next free one.
        mesh: Also show the surface.
        max_points: More points are thinned out.
        keep: See `Scene.masks`.

    Raises:
        InputError: The extra "view" is not installed, or the scene is empty.
    """
    viser = require("viser", extra="view", purpose="The live view")
    if not scene.registered.any():
        raise InputError("No photo of this scene is registered: there is nothing to see.")
    cloud = scene.point_cloud(max_points=max_points, **keep)
    frame = LevelFrame.of(scene, np.asarray(cloud.vertices))
    falling = np.argsort(-cloud.metadata["confidence"], kind="stable")
    # In units of the scene's size: viser's near and far planes and its steps suit that.
    points = (frame.place(np.asarray(cloud.vertices)) / frame.unit).astype(np.float32)[falling]
    colors = np.asarray(cloud.colors)[falling, :3]

    server = viser.ViserServer(host="127.0.0.1", port=port, verbose=False, label="pointmap")
    server.scene.set_up_direction("+y")
    show_points = server.gui.add_checkbox("Points", True)
    show_surface = server.gui.add_checkbox("Surface", False, visible=mesh)
    show_cameras = server.gui.add_checkbox("Cameras", True)
    hidden = server.gui.add_slider("Hide least sure (%)", 0, 95, 1, 0)
    width = float(np.median(cloud.metadata["spacing"])) / frame.unit if len(points) else 0.01
    size = server.gui.add_slider("Point size", 0.25, 4.0, 0.05, 1.0)

    def draw_points(event: Any = None) -> None:
        count = len(points) - len(points) * int(hidden.value) // 100
        server.scene.add_point_cloud(
            "/points",
            points[:count],
            colors[:count],
            point_size=1.5 * width * size.value,
            point_shape="circle",
            precision="float32",
            visible=show_points.value,
        )

    @server.on_client_connect
    def _(client: Any) -> None:
        client.camera.position, client.camera.look_at = (-0.9, 0.8, 3.4), (0.0, 0.0, 0.0)

    for control in (show_points, hidden, size):
        control.on_update(draw_points)
    draw_points()
    if mesh and len(points):
        surface = scene.mesh(texture=True, **keep).copy()
        surface.vertices = frame.place(np.asarray(surface.vertices)) / frame.unit
        shown = server.scene.add_mesh_trimesh("/surface", surface, visible=False)
        show_surface.on_update(lambda event: setattr(shown, "visible", show_surface.value))
    frusta = make_frusta(scene)
    cameras = [
        _add_camera(viser, server, scene, index, frame, frusta) for index in np.flatnonzero(scene.registered).tolist()
    ]

    @show_cameras.on_update
    def _(event: Any) -> None:
        for camera in cameras:
            camera.visible = show_cameras.value

    return server


def _add_camera(viser: Any, server: Any, scene: Scene, index: int, frame: LevelFrame, frusta: Frusta) -> Any:
    viewer_from_cam = frame.viewer_from_world @ scene.world_from_cam[index]
    height, width = scene.depths[index].shape
    camera = server.scene.add_camera_frustum(
        f"/cameras/{index}",
        fov=2 * float(np.arctan(height / 2 / scene.working_intrinsics[index, 1, 1])),
        aspect=width / height,
        scale=0.6 * frusta.size / frame.unit,  # viser draws them larger
        color=tuple(frusta.colors[np.flatnonzero(frusta.photos == index)[0]].tolist()),
        image=scene.colors[index],
        wxyz=viser.transforms.SO3.from_matrix(viewer_from_cam[:3, :3]).wxyz,
        position=viewer_from_cam[:3, 3] / frame.unit,
    )

    @camera.on_click
    def _(event: Any) -> None:
        with event.client.atomic():
            event.client.camera.wxyz, event.client.camera.position = camera.wxyz, camera.position
            event.client.camera.fov = camera.fov

    return camera
