import math
from dataclasses import replace

import pytest
import torch
from worlds import NUM_TEXTURES, ROOM_HALF, SLOTS, inside, textures, under_ground, world

from pointmap.geometry.cameras import camera_rays
from pointmap.geometry.transforms import rigid
from pointmap.train.random import Random, axis_rotation
from pointmap.train.renderer import Rendering, first_hit, inside_object, probe_depth, render
from pointmap.train.scenes import NUM_SURFACES, ROOM, Scenes, sample_scenes

SIZE = (20, 30)
K = torch.tensor([[33.0, 0.0, 12.0], [0.0, 28.0, 11.5], [0.0, 0.0, 1.0]])
EYE = torch.tensor([0.4, -1.2, -0.5])
"""Where the camera stands in the room."""


def photo(scene: Scenes, rotation: torch.Tensor | None = None, K: torch.Tensor = K) -> Rendering:
    pose = rigid(torch.eye(3) if rotation is None else rotation, EYE)
    return render(scene, pose[None, None], K[None, None], SIZE, textures(), NUM_TEXTURES)


def test_a_wall_seen_head_on_has_the_same_depth_everywhere():
    narrow = torch.tensor([[200.0, 0.0, 12.0], [0.0, 180.0, 11.5], [0.0, 0.0, 1.0]])

    depth = photo(world(), K=narrow).depths

    torch.testing.assert_close(depth, torch.full((1, 1, *SIZE), 3.5))  # the wall is z = 3; not the ray's length


def test_every_pixel_of_an_empty_room_lies_on_a_wall():
    rotation = axis_rotation(1, torch.tensor(0.7)) @ axis_rotation(0, torch.tensor(0.3))

    depth = photo(world(), rotation).depths[0, 0]

    points = EYE + (depth[..., None] * camera_rays(*SIZE, K)) @ rotation.mT
    offset = (points - torch.tensor([0.0, -ROOM_HALF[1], 0.0])).abs() / ROOM_HALF
    torch.testing.assert_close(offset.amax(dim=-1), torch.ones(SIZE))
    assert (offset > 0.999).any(dim=1).any(dim=0).sum() >= 2  # a wall and the floor, at least


def test_the_depth_of_a_ball_is_the_closed_form():
    centre, radius = EYE + torch.tensor([0.1, 0.05, 2.0]), 0.5
    scene = world("ball", centre=centre, half_size=torch.full((3,), radius), rotation=torch.eye(3))

    depth = photo(scene).depths[0, 0]

    direction = torch.nn.functional.normalize(camera_rays(*SIZE, K), dim=-1)
    along = direction @ (centre - EYE)
    aside = (centre - EYE).square().sum() - along.square()
    on_ball = aside < radius**2
    length = along - (radius**2 - aside).clamp(min=0).sqrt()
    assert 20 < on_ball.sum() < 400
    torch.testing.assert_close(depth[on_ball], (length * direction[..., 2])[on_ball])
    assert (depth[~on_ball] > 2.5).any()


@pytest.mark.parametrize("shape", SLOTS)
def test_rays_end_where_they_first_enter_a_shape(shape):
    half_size, rotation = torch.tensor([0.5, 0.8, 0.3]), Random(2).rotation()
    if shape == "body":  # lives in a ball
        half_size = torch.full((3,), 0.7)
    centre = EYE + torch.tensor([0.0, 0.1, 2.2])
    scene = world(shape, centre=centre, half_size=half_size, rotation=rotation)
    rays = camera_rays(*SIZE, K).flatten(0, 1)

    distance, slot = first_hit(scene, EYE.expand_as(rays)[None], rays[None])

    def is_inside(distance: torch.Tensor, margin: float = 0.0) -> torch.Tensor:
        points = EYE + distance[..., None] * rays[:, None]
        return inside(shape, (points - centre) @ rotation / half_size, margin)

    hit = slot[0] == SLOTS[shape]
    assert 30 < hit.sum() < 500
    share = torch.linspace(0, 0.999, 500)
    assert not is_inside(distance[0, :, None] * share).any()  # nothing before what was found
    beyond = is_inside(distance[0, :, None] + torch.linspace(0, 2, 500), margin=0.02)
    assert (beyond.any(dim=1) == hit).float().mean() > 0.98  # but for rays that only graze
    at_once = is_inside(distance[0, :, None] + torch.tensor([1e-3]))[:, 0]
    assert at_once[hit].float().mean() > 0.97
    assert (slot[0][~hit] == ROOM).all()


def test_rays_end_on_the_surface_of_hills():
    scene = world(outdoor=True, hilly=True)
    rotation = axis_rotation(0, torch.tensor(-0.25))
    rays = (camera_rays(*SIZE, K) @ rotation.mT).flatten(0, 1)
    origin = torch.tensor([0.4, -3.0, -0.5])

    distance, slot = first_hit(scene, origin.expand_as(rays)[None], rays[None])

    hit = distance[0] < 1e3
    assert 0.5 < hit.float().mean() < 1
    assert (slot == ROOM).all()
    depth = under_ground(origin + distance[0, :, None] * rays)[hit]
    torch.testing.assert_close(depth, torch.zeros_like(depth), atol=2e-4, rtol=0)
    for share in torch.linspace(0.02, 0.98, 40):
        assert (
            under_ground(origin + share * distance[0, :, None] * rays)[hit] < 0
        ).float().mean() > 0.98  # but for grazed crests


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_looking_only_at_what_a_tile_can_meet_changes_nothing(seed):
    random = Random(seed)
    scenes = sample_scenes(8, random, NUM_TEXTURES)
    position = scenes.interest[:, :3] + random.normal(8, 3) * scenes.interest[:, 3:]
    position = position.clamp(-1.2, 1.2)  # within the smallest room
    position[:, 1] = -1.0
    pose = rigid(random.rotation(8), position)

    depth = render(scenes, pose[:, None], K.expand(8, 1, 3, 3), SIZE, textures(), NUM_TEXTURES).depths[:, 0]

    rays = camera_rays(*SIZE, K).flatten(0, 1) @ pose[:, :3, :3].mT
    distance, _ = first_hit(scenes, position[:, None].expand_as(rays), rays)
    expected = torch.where(distance < 1e8, distance, 0.0).reshape(depth.shape)
    assert ((depth - expected).abs() <= 1e-4 * expected).float().mean() > 0.998


def test_a_large_lamp_casts_a_soft_shadow():
    shape = {"centre": torch.tensor([0.4, -1.6, 0.3]), "half_size": torch.full((3,), 0.3), "rotation": torch.eye(3)}
    to_floor = axis_rotation(0, torch.tensor(-math.pi / 3))

    def half_lit(radius: float) -> int:
        scene = replace(world("box", **shape), light_radius=torch.tensor([[radius]]), occlusion=torch.zeros(1))
        dark = replace(scene, light_color=torch.zeros(1, 1, 3))
        bright = replace(scene, shadows=torch.zeros(1))
        lit, least, most = (photo(s, to_floor).images.mean(dim=-1) for s in (scene, dark, bright))
        share = (lit - least) / (most - least).clamp(min=1e-3)
        return int(((share > 0.3) & (share < 0.85) & (most - least > 0.05)).sum())

    assert half_lit(0.3) > 2 * half_lit(0.01) + 5


def test_corners_are_darker_than_the_middle_of_a_wall():
    scene = replace(world(), light_color=torch.zeros(1, 1, 3), contrast=torch.zeros(1, NUM_SURFACES))
    narrow = torch.tensor([[14.0, 0.0, 12.0], [0.0, 14.0, 11.5], [0.0, 0.0, 1.0]])

    image = photo(scene, K=narrow).images[0, 0].mean(dim=-1)

    depth = photo(scene, K=narrow).depths[0, 0]
    wall = (depth - 3.5).abs() < 1e-3
    edge = wall & ~(wall.roll(1, 1) & wall.roll(-1, 1) & wall.roll(1, 0) & wall.roll(-1, 0))
    assert image[edge].mean() < 0.95 * image[11, 12]


def test_glass_shows_what_is_behind_it_and_keeps_its_own_depth():
    centre = EYE + torch.tensor([0.0, 0.0, 1.5])
    pane = world("box", centre=centre, half_size=torch.tensor([5.0, 5.0, 0.01]), rotation=torch.eye(3))
    clear = torch.zeros(1, NUM_SURFACES)
    clear[:, SLOTS["box"]] = 0.9

    glass, wall, none = photo(replace(pane, clear=clear)), photo(pane), photo(world())

    torch.testing.assert_close(glass.depths, wall.depths)
    assert (glass.images - none.images).std() < (wall.images - none.images).std()


def test_the_sky_has_no_depth_and_the_ground_has():
    depth = photo(world(outdoor=True)).depths[0, 0]

    rays = camera_rays(*SIZE, K)
    up, down = rays[..., 1] < 0, rays[..., 1] > 0.05
    assert (depth[up] == 0).all()
    torch.testing.assert_close(depth[down], (-EYE[1] / rays[..., 1])[down], rtol=1e-5, atol=0)


def test_the_sky_goes_from_the_horizon_s_colour_to_the_zenith_s():
    scene = replace(world(outdoor=True), light=torch.tensor([[[1e3, 0.0, 0.0]]]))  # the sun is setting
    zenith = photo(scene, axis_rotation(0, torch.tensor(math.pi / 2))).images[0, 0]

    shoulder = (1 - torch.exp(torch.tensor([0.3, 0.5, 0.9]) / -0.8)) / (1 - math.exp(-1 / 0.8))
    expected = shoulder ** (1 / 1.6)
    row, column = 11, 12  # next to the principal point
    torch.testing.assert_close(zenith[row, column], expected, atol=0.02, rtol=0)


def test_an_object_casts_a_shadow_away_from_the_lamp():
    shape = {"centre": torch.tensor([0.4, -1.6, 0.3]), "half_size": torch.full((3,), 0.3), "rotation": torch.eye(3)}
    to_floor = axis_rotation(0, torch.tensor(-math.pi / 3))  # y points down: this looks at the floor before the camera

    lit, shaded = photo(world(), to_floor).images, photo(world("ball", **shape), to_floor).images

    assert (shaded <= lit + 1e-6).float().mean() > 0.9
    assert ((lit - shaded) > 0.1).float().mean() > 0.02


def test_pictures_are_in_the_range_of_pictures():
    images = photo(world()).images

    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.02  # textured


def test_probe_depth_is_the_depth_of_the_rendering():
    scene = world(outdoor=True)

    depth = probe_depth(scene, rigid(torch.eye(3), EYE)[None], K[None], SIZE)

    torch.testing.assert_close(depth[0], photo(scene).depths[0, 0])


def test_a_point_within_the_margin_of_an_object_counts_as_inside():
    scene = world("box", centre=torch.zeros(3), half_size=torch.tensor([1.0, 2.0, 0.5]), rotation=torch.eye(3))

    def at(*point: float) -> bool:
        return bool(inside_object(scene, torch.tensor([point]), margin=0.1))

    assert at(0.9, 0.0, 0.4)
    assert at(0.0, 2.09, 0.0)
    assert not at(0.0, 2.11, 0.0)
    assert not at(0.0, 0.0, 0.7)
