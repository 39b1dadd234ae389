"""Where to look at a scene from, so that all of it is seen."""

from dataclasses import dataclass

import numpy as np

from pointmap.scene import Scene
from pointmap.shapes import Bool, Float


@dataclass(frozen=True)
class Viewpoint:
    """An eye beside the scene."""

    world_from_eye: Float[np.ndarray, "4 4"]

    intrinsics: Float[np.ndarray, "3 3"]
    """In pixels of the image to draw."""

    def sees_front(
        self, points_world: Float[np.ndarray, "n 3"], camera_centres: Float[np.ndarray, "n 3"]
    ) -> Bool[np.ndarray, "n"]:
        """False at points that were photographed from the other side, so that walls do not hide a room's inside.

        Args:
            camera_centres: For every point, where the photo was taken that saw it.
        """
        from_eye, from_camera = points_world - self.world_from_eye[:3, 3], points_world - camera_centres
        cosine = (from_eye * from_camera).sum(-1)
        cosine /= (np.linalg.norm(from_eye, axis=-1) * np.linalg.norm(from_camera, axis=-1)).clip(1e-12)
        return cosine > -0.1


@dataclass(frozen=True)
class LevelFrame:
    """Where viewers see a scene: y up as the cameras have it, looked at along -z, the middle of the cloud at 0."""

    viewer_from_world: Float[np.ndarray, "4 4"]

    unit: float
    """A length in which positions have fine steps: that of the scene."""

    @classmethod
    def of(cls, scene: Scene, points_world: Float[np.ndarray, "n 3"]) -> "LevelFrame":
        """That of a scene with this cloud; without a cloud, the middle of the cameras is at 0."""
        up, forward = up_and_forward(scene)
        viewer_from_world = np.eye(4)
        viewer_from_world[:3, :3] = np.stack([np.cross(forward, up), up, -forward])
        centres = scene.world_from_cam[scene.registered, :3, 3]
        seen = points_world if len(points_world) else centres
        middle = np.median(seen, axis=0) if len(seen) else np.zeros(3)
        viewer_from_world[:3, 3] = -viewer_from_world[:3, :3] @ middle
        distances = np.linalg.norm(seen - middle, axis=-1)
        return cls(viewer_from_world, max(float(np.median(distances)), 1e-9) if len(seen) else 1.0)

    def place(self, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points in this frame."""
        return points_world @ self.viewer_from_world[:3, :3].T + self.viewer_from_world[:3, 3]


def overview(
    scene: Scene,
    points_world: Float[np.ndarray, "n 3"],
    must_see_world: Float[np.ndarray, "m 3"],
    size: tuple[int, int],
    *,
    azimuth_deg: float,
    elevation_deg: float,
    fov_deg: float = 40.0,
) -> Viewpoint:
    """An eye that looks where the cameras look, from the side and from above, at a distance that fits.

    Args:
        points_world: The cloud; 1.5 % of it may stick out on every side, so that strays do not make the rest small.
        must_see_world: Points that have to be in the image as well. Of both, what is more than six times as far from
            the middle as a typical point does not count: a photo may be registered far off.
        size: Width and height of the image in pixels.
        azimuth_deg: Positive: the eye moves to the left of the cameras.
        elevation_deg: Positive: the eye rises.
        fov_deg: Field of view across the width.
    """
    width, height = size
    focal_px = width / 2 / np.tan(np.radians(fov_deg) / 2)
    intrinsics = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])
    up, forward = up_and_forward(scene)
    right = np.cross(forward, up)
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    ahead = np.cos(azimuth) * forward + np.sin(azimuth) * right
    z = np.cos(elevation) * ahead - np.sin(elevation) * up
    x = np.cross(-up, z)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z], axis=1)

    centre = np.median(points_world, axis=0) if len(points_world) else np.zeros(3)
    distances = np.linalg.norm(points_world - centre, axis=-1)
    reach = 6 * np.median(distances) if len(points_world) else np.inf
    near = np.linalg.norm(must_see_world - centre, axis=-1) <= reach
    eye = _fit(
        (points_world[distances <= reach] - centre) @ rotation,
        (must_see_world[near] - centre) @ rotation,
        np.array([width / 2, height / 2]) / focal_px * 0.94,
    )
    world_from_eye = np.eye(4)
    world_from_eye[:3, :3], world_from_eye[:3, 3] = rotation, centre + rotation @ eye
    return Viewpoint(world_from_eye=world_from_eye, intrinsics=intrinsics)


def up_and_forward(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Up and forward (perpendicular unit vectors) of the registered cameras: the mean, or the first one's."""
    rotations = scene.world_from_cam[scene.registered, :3, :3]
    if len(rotations) == 0:
        return np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    up = -rotations[:, :, 1].mean(axis=0)
    up = up if np.linalg.norm(up) > 0.3 else -rotations[0, :, 1]
    up = up / np.linalg.norm(up)
    # Cameras around an object have no common direction; one that looks straight down has no level one.
    for forward in (rotations[:, :, 2].mean(axis=0), rotations[0, :, 2], rotations[0, :, 0]):
        level = forward - forward @ up * up
        if np.linalg.norm(level) > 0.3:
            break
    return up, level / np.linalg.norm(level)


def _fit(points: np.ndarray, must_see: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    """The eye nearest to points in its own axes (z ahead) for which |xy - eye_xy| <= tangents * (z - eye_z).

    Each of the four sides is a half-space that the eye must stay behind.
    """
    eye, distance = np.zeros(3), 1e-6
    for axis, tangent in enumerate(tangents):
        sides = []
        for sign in (1, -1):
            most, must = (sign * part[:, axis] - tangent * part[:, 2] for part in (points, must_see))
            needed = [*must, np.quantile(most, 0.985)] if len(most) else must
            sides.append(max(needed, default=1.0))
        eye[axis] = (sides[0] - sides[1]) / 2
        distance = max(distance, (sides[0] + sides[1]) / 2 / tangent)
    eye[2] = -distance
    return eye
