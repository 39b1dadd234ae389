"""Pairs that never enter training: worlds and textures of other seeds, and folders of photos kept for this."""

import torch

from pointmap.errors import InputError
from pointmap.models import Network, NetworkConfig
from pointmap.train.curriculum import image_sizes
from pointmap.train.feed import render_chunk
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.photos import read_photos, spread_photo_pairs
from pointmap.train.random import Random
from pointmap.train.settings import TrainSettings
from pointmap.train.start import preset_config
from pointmap.train.textures import make_textures
from pointmap.train.validation import Scores, baselines, validate

WORLDS = "worlds"
"""What the rendered validation pairs are called beside the names of the folders."""
_SHAPES = "7:5,5:7"
_SEED = 10_000_019
_TEXTURES = 7_777


class HeldOut:
    """Validation pairs of a run, made when they are first needed."""

    def __init__(self, settings: TrainSettings, config: NetworkConfig, device: torch.device) -> None:
        sizes = validation_sizes(config)
        self.settings, self.sizes, self.device = settings, sizes, device
        self.photos: dict[str, list[PairBatch]] = {}
        for folder in settings.validate_photos:  # now, for a mistake in a path is to stop the run at once
            photos = read_photos(folder, config.image_size)
            if photos.name in {WORLDS, *self.photos}:
                raise InputError(
                    f"Scores of {folder!r} would be called {photos.name!r} like others. Give the folder another name."
                )
            size = sizes[1] if photos.is_portrait else sizes[0]
            self.photos[photos.name] = [spread_photo_pairs(photos, size, settings.validation_pairs)]
        self.worlds: list[PairBatch] | None = None

    def validate(self, network: Network) -> dict[str, Scores]:
        """Scores on the worlds, which come first, and on each folder of photos."""
        if self.worlds is None:
            self.worlds = validation_pairs(self.settings, self.sizes)
        sets = {WORLDS: self.worlds, **self.photos}
        return {name: validate(network, [batch.to(self.device) for batch in batches]) for name, batches in sets.items()}


def validation_sizes(config: NetworkConfig) -> list[tuple[int, int]]:
    """Height and width, landscape and portrait of one ratio, so that runs can be compared."""
    return list(image_sizes(config.image_size, _SHAPES, config.patch_size))


def validation_pairs(settings: TrainSettings, sizes: list[tuple[int, int]]) -> list[PairBatch]:
    """Worlds and textures that training never sees; the same on every device."""
    texels = make_textures(settings.textures, settings.seed + _TEXTURES)
    random = Random(_SEED)
    return [
        make_pairs(
            settings.validation_pairs, size, random, texels, settings.textures, chunk=render_chunk(random.device)
        )
        for size in sizes
    ]


def score_baselines(settings: TrainSettings) -> dict[str, Scores]:
    """The trivial predictors on the validation pairs of a run."""
    sizes = validation_sizes(preset_config(settings))
    texels = make_textures(settings.textures, settings.seed)
    sample = [make_pairs(256, size, Random(1), texels, settings.textures, chunk=2) for size in sizes]
    return baselines(validation_pairs(settings, sizes), sample)
