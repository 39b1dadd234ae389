"""What cameras do to photos, drawn anew for every photo.

`python -m pointmap.train.effects --output DIR` shows each effect.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointmap.shapes import Bool, Float, UInt8
from pointmap.train import effects_optics as optics
from pointmap.train import effects_sensor as sensor
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.random import Random
from pointmap.train.textures import make_textures


@dataclass(frozen=True)
class Effect:
    """How often, and how strong."""

    share: float
    """Of the photos; 0 switches it off."""
    most: float
    """The greatest strength."""
    skew: float = 1.5
    """Strengths are most * uniform(0, 1)^skew: the larger, the more of them are weak; 0 always gives the greatest."""


@dataclass(frozen=True)
class Effects:
    """Which effects there are, with the unit of each strength. Those of a camera are alike in photos of one camera."""

    same_camera: float = 0.7
    """Share of pairs whose photos come from one camera."""

    distortion: Effect = Effect(0.3, 0.015)
    """Camera: displacement of the corners in image widths, either way. The truth stays that of the pinhole camera."""
    defocus: Effect = Effect(0.15, 0.014, skew=0.7)
    """Photo: radius of the disc that a point becomes, in long sides. Below half a pixel it does not show."""
    shake: Effect = Effect(0.15, 0.03)
    """Photo: length of the motion in long sides."""
    obstacle: Effect = Effect(0.06, 0.35, skew=0.6)
    """Photo: how far a finger, strap or branch reaches in, in widths. There is no truth behind it."""
    fringe: Effect = Effect(0.2, 0.004)
    """Camera: displacement of red and blue in the corners, in widths."""
    vignette: Effect = Effect(0.4, 0.5)
    """Camera: loss of light in the corners."""
    dirt: Effect = Effect(0.08, 0.2)
    """Camera: radius of spots on the lens in widths: dust, drops, insects. The truth stays that of the scene."""
    exposure: Effect = Effect(0.9, 0.8)
    """Photo: stops, either way; light above white is lost."""
    noise: Effect = Effect(0.7, 0.06)
    """Camera: standard deviation at white; the dark has up to a third of it."""
    balance: Effect = Effect(0.7, 0.15)
    """Camera: error of the white balance in red and blue, either way."""
    saturation: Effect = Effect(0.6, 1.0)
    """Camera: loss of colour, or a quarter as much gain."""
    hue: Effect = Effect(0.3, 0.25)
    """Camera: turn of all hues in radians, either way."""
    gamma: Effect = Effect(0.6, 0.45)
    """Photo: logarithm of the tone curve's exponent, either way."""
    contrast: Effect = Effect(0.7, 0.35)
    """Photo: more or less contrast about the mean, either way."""
    softness: Effect = Effect(0.4, 0.8)
    """Camera: scaling down to half and up, 0..1."""
    sharpening: Effect = Effect(0.25, 1.5)
    """Camera: of the overshoot at edges."""
    jpeg: Effect = Effect(0.4, 75)
    """Camera: 95 less the quality on libjpeg's scale."""

    def scaled(self, factor: float) -> "Effects":
        """The same effects in `factor` times as many photos: 0 switches all of them off."""
        effects = {name: getattr(self, name) for name in NAMES}
        shares = {name: replace(effect, share=min(1.0, factor * effect.share)) for name, effect in effects.items()}
        return replace(self, **shares)

    @classmethod
    def only(cls, name: str, strength: float) -> "Effects":
        """One effect, in every photo and always as strong."""
        chosen: dict[str, Any] = {name: Effect(1, strength, skew=0)}
        return replace(cls().scaled(0), **chosen)


NAMES = tuple(entry.name for entry in fields(Effects) if entry.type is Effect)
"""Of all effects."""


@dataclass(frozen=True)
class Effected:
    """Photos after their cameras."""

    images: Float[Tensor, "n 3 h w"]
    """RGB."""
    occluded: Bool[Tensor, "n h w"]
    """Where something in front of the lens hides the scene: no depth is known there."""


def apply_effects(images: Float[Tensor, "n 3 h w"], random: Random, effects: Effects = Effects()) -> Effected:
    """Give every photo what its camera and its moment do to it.

    Args:
        images: RGB in [0, 1]. Photos 2k and 2k + 1 are a pair.

    Returns:
        RGB in [0, 1] and what is hidden.
    """
    return _Darkroom(images, random, effects).develop()


def augment(
    batch: PairBatch, random: Random, effects: Effects = Effects()
) -> tuple[Float[Tensor, "pairs 2 3 h w"], PairBatch]:
    """The pairs' photos in [-1, 1] as the network takes them, and the pairs without depth where it is hidden."""
    pixels = batch.images.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
    effected = apply_effects(pixels, random, effects)
    hidden = effected.occluded.unflatten(0, (-1, 2))
    known = replace(batch, depths=batch.depths.masked_fill(hidden, math.nan))
    return effected.images.unflatten(0, (-1, 2)) * 2 - 1, known


def plain(images: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Photos as they are, in [-1, 1], for validation."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


class _Darkroom:
    """The photos on their way through the effects."""

    def __init__(self, images: Tensor, random: Random, effects: Effects) -> None:
        self.images = images.contiguous().clone()
        self.random, self.effects = random, effects
        count = len(images)
        self.photo = torch.arange(count, device=images.device)
        first = self.photo - self.photo % 2
        together = random.uniform(0, 1, count)[first] < effects.same_camera
        self.camera = torch.where(together, first, self.photo)

    def develop(self) -> Effected:
        """In the order in which light meets what changes it."""
        effects, camera, photo = self.effects, self.camera, self.photo
        height, width = self.images.shape[-2:]
        long = max(height, width)
        self._apply(optics.distort, effects.distortion, camera, signed=True)
        radius = effects.defocus.most * long
        self._apply(lambda x, s: optics.defocus(x, s * long, radius), effects.defocus, photo)
        length, angle = effects.shake.most * long, self._uniform(0, math.pi, photo)
        self._apply(lambda x, s, a: optics.shake(x, s * long, a, length), effects.shake, photo, angle)
        occluded = self._obstruct(effects.obstacle)
        self._apply(optics.fringe, effects.fringe, camera)
        self._apply(optics.vignette, effects.vignette, camera)
        self._soil(effects.dirt)
        self._apply(sensor.expose, effects.exposure, photo, signed=True)
        share, smear = self._uniform(0, 0.33, camera), self._uniform(0, 0.4, camera)
        self._apply(
            lambda x, s, a, b: sensor.add_noise(x, s, a * s, b, self.random), effects.noise, camera, share, smear
        )
        self._recolour()
        self._curve()
        self._apply(sensor.soften, effects.softness, camera)
        self._apply(sensor.sharpen, effects.sharpening, camera)
        self.images.clamp_(0, 1)
        self._apply(lambda x, s: sensor.compress(x, 95 - s), effects.jpeg, camera)
        return Effected(self.images, occluded)

    def _uniform(self, low: float, high: float, owner: Tensor, *shape: int) -> Tensor:
        return self.random.uniform(low, high, len(owner), *shape)[owner]

    def _draw(self, effect: Effect, owner: Tensor, signed: bool = False) -> Tensor:
        """Strengths, 0 where the effect is not."""
        strength = effect.most * self._uniform(0, 1, owner) ** effect.skew
        if signed:
            strength = torch.where(self._uniform(0, 1, owner) < 0.5, -strength, strength)
        return torch.where(self._uniform(0, 1, owner) < effect.share, strength, 0.0)

    def _apply(
        self,
        function: Callable[..., Tensor],
        effect: Effect,
        owner: Tensor,
        *others: Tensor,
        signed: bool = False,
    ) -> None:
        if effect.share == 0:
            return
        strength = self._draw(effect, owner, signed)
        self.images = _where(strength != 0, self.images, function, strength, *others)

    def _recolour(self) -> None:
        effects, camera = self.effects, self.camera
        if effects.balance.share == effects.saturation.share == effects.hue.share == 0:
            return
        warmth = self._draw(effects.balance, camera, signed=True)
        loss = self._draw(effects.saturation, camera)
        gain = self._uniform(0, 1, camera) < 0.3
        matrix = sensor.colour_matrix(
            warmth,
            0.3 * self._draw(effects.balance, camera, signed=True),
            torch.where(gain, 1 + 0.25 * loss, 1 - loss),
            self._draw(effects.hue, camera, signed=True),
        )
        self.images = sensor.recolour(self.images, matrix)

    def _curve(self) -> None:
        gamma = self._draw(self.effects.gamma, self.photo, signed=True)
        contrast = self._draw(self.effects.contrast, self.photo, signed=True)
        chosen = (gamma != 0) | (contrast != 0)
        self.images = _where(chosen, self.images, sensor.curve, gamma.exp(), 1 + contrast)

    def _soil(self, effect: Effect) -> None:
        """Three spots: near each other they are an insect, apart they are dust or drops."""
        if effect.share == 0:
            return
        camera, height, width = self.camera, *self.images.shape[-2:]
        size = self._draw(effect, camera)
        together = self._uniform(0, 1, camera, 1, 1) < 0.4
        middle = self._uniform(-0.5, 0.5, camera, 1, 2)
        spread = torch.where(together, size[:, None, None], 0.5)
        centre = middle + spread * self._uniform(-1, 1, camera, 3, 2)
        centre = centre * torch.tensor([1, height / width], device=centre.device)
        radius = size[:, None] * self._uniform(0.3, 1, camera, 3)
        opacity, tone = self._uniform(0.4, 1, camera, 3), self._uniform(0, 1.1, camera)
        self.images = _where(size > 0, self.images, optics.soil, centre, radius.clamp(min=1e-3), opacity, tone)

    def _obstruct(self, effect: Effect) -> Tensor:
        count, _, height, width = self.images.shape
        if effect.share == 0:
            return torch.zeros(count, height, width, dtype=torch.bool, device=self.images.device)
        photo, tall = self.photo, height / width
        reach = self._draw(effect, photo)
        # It comes in over a point of the border, towards the middle or past a corner.
        angle = self._uniform(-math.pi, math.pi, photo)
        side = torch.stack([angle.cos(), angle.sin()], dim=-1)
        half = torch.tensor([0.5, 0.5 * tall], device=angle.device)
        border = side * (half / side.abs().clamp(min=1e-3)).amin(dim=-1, keepdim=True)
        turn = angle + math.pi + self._uniform(-0.7, 0.7, photo)
        inwards = torch.stack([turn.cos(), turn.sin()], dim=-1)
        strap = self._uniform(0, 1, photo)[:, None] < 0.3
        across = torch.stack([-side[:, 1], side[:, 0]], dim=-1) + 0.4 * self._uniform(-1, 1, photo, 1) * side
        end = torch.where(strap, border * 0.97 + across, border + reach[:, None] * inwards)
        start = torch.where(strap, border * 0.97 - across, border - 0.3 * inwards)
        thick = torch.where(reach > 0, reach * self._uniform(0.1, 0.5, photo), 0.0)
        blank = self.images.new_zeros(count, 2, height, width)
        drawn = _where(reach > 0, blank, optics.obstacle, start, end, thick, self._uniform(0.005, 0.06, photo))
        skin = torch.tensor([0.75, 0.5, 0.4], device=angle.device) * self._uniform(0.3, 1.2, photo, 1)
        colour = torch.where(self._uniform(0, 1, photo)[:, None] < 0.5, skin, self._uniform(0, 0.5, photo, 3))
        cover, bright = drawn[:, :1], drawn[:, 1:]
        self.images += cover * ((0.5 + 0.5 * bright) * colour[..., None, None] - self.images)
        return cover[:, 0] > 0.2


def _where(chosen: Bool[Tensor, "n"], images: Tensor, function: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """Photos with the effect where they are chosen. A GPU computes all of them, which is cheaper than asking which."""
    if images.device.type != "cpu":
        return torch.where(chosen[:, None, None, None], function(images, *values), images)
    rows = chosen.nonzero()[:, 0]
    if len(rows) > 0:
        images[rows] = function(images[rows], *(value[rows] for value in values))
    return images


def write_contact_sheet(images: Float[Tensor, "n 3 h w"], path: Path) -> None:
    """Four photos an effect: without, and at strengths rising to the greatest. The last four have all effects."""
    from PIL import Image

    rows = []
    for name in NAMES:
        most = getattr(Effects(), name).most
        some = [Effects.only(name, most * part / 3) for part in range(1, 4)]
        rows.append([images[0], *(apply_effects(images[:1], Random(2), one).images[0] for one in some)])
    rows.append(list(apply_effects(images[:1].expand(4, -1, -1, -1), Random(3)).images))
    strips = torch.stack([torch.cat(row, dim=2) for row in rows])
    sheet = torch.cat([torch.cat(list(half), dim=1) for half in strips.chunk(2)], dim=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((sheet.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of effects.png")
    output = parser.parse_args().output
    batch = make_pairs(1, (160, 224), Random(4), make_textures(48, 1), 48)
    write_contact_sheet(batch.images[0].permute(0, 3, 1, 2).float() / 255, output / "effects.png")


if __name__ == "__main__":
    _main()
