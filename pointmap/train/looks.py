"""What worlds are made of and how they are lit: draws of materials, lamps, suns and skies."""

import math

import torch
from torch import Tensor

from pointmap.train.arrangements import NUM_LOOKS, Places
from pointmap.train.random import Random

NUM_LAMPS = 3


def sample_materials(places: Places, random: Random, num_textures: int) -> dict[str, Tensor]:
    """Fields of `Scenes`: solids of one look get one material, each face of the room its own."""
    count = len(places.look)
    shape = (count, NUM_LOOKS + 6)
    base = random.uniform(0, 1, *shape, 3)
    grey = base.mean(dim=-1, keepdim=True)
    saturation = random.uniform(0, 1.0, count, 1, 1) * random.uniform(0.1, 1, *shape, 1)
    tint = (grey + (base - grey) * saturation) * 0.75 + 0.15
    # Walls and ceilings are bright, mostly; the four walls are often painted alike.
    tint[:, NUM_LOOKS:] = torch.where(
        (random.uniform(0, 1, count, 6) < 0.6)[..., None], 0.55 + 0.4 * tint[:, NUM_LOOKS:], tint[:, NUM_LOOKS:]
    )
    extent = places.interest[:, 3:]
    metres = (extent * random.log_uniform(0.12, 1.4, *shape)).clamp(min=0.1, max=4)
    metres[:, NUM_LOOKS:] = metres[:, NUM_LOOKS:].clamp(min=0.5) * 1.5
    plain = random.uniform(0, 1, *shape) < 0.2
    contrast = torch.where(plain, random.uniform(0, 0.15, *shape), random.uniform(0.3, 1.2, *shape))
    glossy = random.uniform(0, 1, *shape) < 0.25
    gloss = torch.where(glossy, random.log_uniform(0.02, 0.35, *shape), 0.0)
    glass = random.uniform(0, 1, *shape) < 0.04 * (random.uniform(0, 1, count, 1) < 0.2)
    glass[:, NUM_LOOKS:] = False
    by_look = {
        "texture": random.integers(0, num_textures, *shape),
        "tiles_per_metre": 1 / metres,
        "texture_offset": random.uniform(0, 1, *shape, 2),
        "tint": tint,
        "contrast": contrast,
        "gloss": torch.where(glass, 0.08, gloss),
        "clear": torch.where(glass, random.uniform(0.4, 0.85, *shape), 0.0),
    }
    walls_alike = random.uniform(0, 1, count) < 0.6
    faces = torch.arange(NUM_LOOKS, NUM_LOOKS + 6, device=random.device).expand(count, 6)
    same = faces.clone()
    same[:, [1, 4, 5]] = faces[:, :1]  # x = 1 and both z look like x = -1
    look = torch.cat([places.look, torch.where(walls_alike[:, None], same, faces)], dim=1)
    row = torch.arange(count, device=random.device)[:, None]
    materials = {name: value[row, look] for name, value in by_look.items()}
    # Equal parts of a thing are not cut from the same place of a board.
    materials["texture_offset"] = materials["texture_offset"] + random.uniform(0, 1, *look.shape, 2)
    return materials


def sample_light(places: Places, random: Random) -> dict[str, Tensor]:
    """Fields of `Scenes`. Outdoors a sun, or a bright part of an overcast sky; in rooms one to three lamps."""
    outdoor, half = places.outdoor, places.room_half
    count = len(outdoor)
    lamps = random.uniform(-0.8, 0.8, count, NUM_LAMPS, 3) * half[:, None]
    lamps[..., 1] = -half[:, None, 1] * random.uniform(1.3, 1.92, count, NUM_LAMPS)
    # Some light falls in from the side, as through a window.
    window = random.uniform(0, 1, count) < 0.5
    side = random.integers(0, 4, count) * (math.pi / 2)
    lamps[:, 0] = torch.where(
        window[:, None],
        torch.stack([side.sin() * half[:, 0] * 0.97, -half[:, 1] * 1.1, side.cos() * half[:, 2] * 0.97], dim=-1),
        lamps[:, 0],
    )
    azimuth, elevation = random.uniform(0, 2 * math.pi, count), random.uniform(0.2, 1.35, count)
    sun = torch.stack([azimuth.cos() * elevation.cos(), -elevation.sin(), azimuth.sin() * elevation.cos()], dim=-1)
    lamps = torch.where(outdoor[:, None, None], 1e3 * sun[:, None], lamps)
    overcast = outdoor & (random.uniform(0, 1, count) < 0.3)
    strength = random.uniform(0.4, 1.3, count, NUM_LAMPS) * torch.tensor([1.0, 0.6, 0.4], device=random.device)
    lit = random.uniform(0, 1, count, NUM_LAMPS) < torch.tensor([1.1, 0.5, 0.3], device=random.device)
    lit[:, 1:] &= ~outdoor[:, None]
    strength = strength * lit * torch.where(outdoor & ~overcast, 1.6, 1.0)[:, None]
    radius = random.log_uniform(0.03, 0.35, count, NUM_LAMPS)
    radius[:, 0] = torch.where(window, random.uniform(0.3, 0.6, count), radius[:, 0])
    sun_radius = torch.where(overcast, 250.0, 5.0)[:, None].expand(count, NUM_LAMPS)
    tone = torch.tensor([1.0, 0.0, -1.0], device=random.device)
    warmth = random.normal(count, NUM_LAMPS, 1) * 0.1 * tone
    warmth = torch.where(
        outdoor[:, None, None], (0.25 * (0.8 - elevation).clamp(min=-0.1))[:, None, None] * tone, warmth
    )
    ambient = random.uniform(0.12, 0.45, count, 1, 1) * torch.tensor([[0.7], [1.15]], device=random.device)
    cool = torch.where(outdoor[:, None, None], -0.12 * tone, -0.5 * warmth[:, :1])
    horizon = random.uniform(0.65, 1.0, count, 3).sort(dim=-1).values
    zenith = horizon * random.uniform(0.35, 0.9, count, 1) * torch.tensor([0.6, 0.8, 1.05], device=random.device)
    grey = horizon.mean(dim=-1, keepdim=True).expand(count, 3)
    sky = torch.stack([horizon, torch.where(overcast[:, None], 0.85 * grey, zenith)], dim=1)
    sky[:, 0] = torch.where(overcast[:, None], grey, sky[:, 0])
    return {
        "light": lamps,
        "light_color": strength[..., None] * (1 + warmth),
        "light_radius": torch.where(outdoor[:, None], sun_radius, radius),
        "falloff": (~outdoor).float()[:, None] * random.uniform(0.3, 1.0, count, NUM_LAMPS),
        "ambient": ambient * (1 + cool),
        "headlight": random.uniform(0, 0.4, count) * (random.uniform(0, 1, count) < 0.2),
        "shadows": random.uniform(0.6, 1.0, count),
        "occlusion": random.uniform(0.6, 1.0, count),
        "exposure": random.log_uniform(0.16, 0.42, count),
        "sky": sky,
        "clouds": torch.stack(
            [
                random.uniform(0, 1, count) * (random.uniform(0, 1, count) < 0.7),
                random.log_uniform(0.5, 3, count),
                random.uniform(0, 6.3, count),
                random.uniform(0, 6.3, count),
            ],
            dim=-1,
        ),
    }
