"""Random worlds: what they are made of. `arrangements.py` says what stands where, `looks.py` how it shines.

World frame: y points down, the floor is y = 0, units are metres.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, Int
from pointmap.train.arrangements import arrange
from pointmap.train.layout import NUM_OBJECTS, NUM_SURFACES, ROOM
from pointmap.train.looks import sample_light, sample_materials
from pointmap.train.random import Random

__all__ = ["NUM_OBJECTS", "NUM_SURFACES", "ROOM", "Scenes", "sample_scenes"]


@dataclass(frozen=True)
class Scenes:
    """A batch of worlds. `layout.py` says which slots hold which solids; the last one is the room."""

    object_from_world: Float[Tensor, "scenes slots 3 3"]
    """Linear part of the map to each slot's unit frame."""
    centre: Float[Tensor, "scenes slots 3"]
    half_size: Float[Tensor, "scenes slots 3"]
    active: Bool[Tensor, "scenes objects"]
    cut: Float[Tensor, "scenes cut_boxes 12"]
    """What is cut out of the slots `CUT_BOXES` (`solids.cut_box`)."""
    body: Float[Tensor, "scenes 10"]
    """The bent body (`relief.body_field`)."""
    ground: Float[Tensor, "scenes waves 4"]
    """Hills (`relief.ground_height`)."""
    hilly: Bool[Tensor, "scenes"]
    """Whether the ground is that instead of the floor."""
    outdoor: Bool[Tensor, "scenes"]
    interest: Float[Tensor, "scenes 4"]
    """Centre and radius of what a photographer would look at."""
    texture: Int[Tensor, "scenes surfaces"]
    tiles_per_metre: Float[Tensor, "scenes surfaces"]
    texture_offset: Float[Tensor, "scenes surfaces 2"]
    tint: Float[Tensor, "scenes surfaces 3"]
    contrast: Float[Tensor, "scenes surfaces"]
    gloss: Float[Tensor, "scenes surfaces"]
    """Share of light that is mirrored head-on."""
    clear: Float[Tensor, "scenes surfaces"]
    """Share of light that passes through; the depth is still that of the surface."""
    light: Float[Tensor, "scenes lamps 3"]
    """Where the sun or the lamps are."""
    light_color: Float[Tensor, "scenes lamps 3"]
    """Of the light that reaches `interest`."""
    light_radius: Float[Tensor, "scenes lamps"]
    """Metres; large lamps cast soft shadows."""
    falloff: Float[Tensor, "scenes lamps"]
    """1: light falls off with the square of the distance; 0: it does not."""
    ambient: Float[Tensor, "scenes 2 3"]
    """Light from below and from above."""
    headlight: Float[Tensor, "scenes"]
    """The flash of the camera."""
    shadows: Float[Tensor, "scenes"]
    """How dark shadows are; 0: none."""
    occlusion: Float[Tensor, "scenes"]
    """How much darker corners and contacts are; 0: not at all."""
    exposure: Float[Tensor, "scenes"]
    """Mean brightness that the camera aims at; 0: it takes the light as it comes."""
    sky: Float[Tensor, "scenes 2 3"]
    """Colours of the horizon and the zenith."""
    clouds: Float[Tensor, "scenes 4"]
    """How much of the sky they cover, their size, and where they are (two phases)."""

    def __len__(self) -> int:
        return len(self.centre)

    def __getitem__(self, index: Tensor | slice) -> "Scenes":
        """Some of the worlds."""
        return Scenes(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def sample_scenes(count: int, random: Random, num_textures: int) -> Scenes:
    """Draw worlds, each arrangement as often as `arrangements.SHARES` says."""
    places = arrange(count, random)
    half_size = torch.cat([places.half_size, places.room_half[:, None]], dim=1)
    room_centre = places.room_half * torch.tensor([0.0, -1.0, 0.0], device=random.device)
    upright = torch.eye(3, device=random.device).expand(count, 1, 3, 3)
    rotation = torch.cat([places.rotation, upright], dim=1)
    return Scenes(
        object_from_world=rotation.mT / half_size[..., None],
        centre=torch.cat([places.centre, room_centre[:, None]], dim=1),
        half_size=half_size,
        active=places.active,
        cut=places.cut,
        body=places.body,
        ground=places.ground,
        hilly=places.hilly,
        outdoor=places.outdoor,
        interest=places.interest,
        **sample_materials(places, random, num_textures),
        **sample_light(places, random),
    )
