"""What a step trains on, as a function of the step alone: image size, difficulty, learning rate, random numbers."""

import hashlib
from dataclasses import dataclass
from functools import cache

from pointmap.errors import InputError
from pointmap.models import NetworkConfig
from pointmap.train.schedules import wsd
from pointmap.train.settings import TrainSettings

_EASY_OVERLAP = 0.5


def seed_of(seed: int, *place: int | str) -> int:
    """The seed of one stream of random numbers: of what, in which step, of which part of the batch."""
    digest = hashlib.blake2b(repr((seed, *place)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


@dataclass(frozen=True)
class Curriculum:
    """The plan of a run."""

    settings: TrainSettings
    stages: tuple[tuple[int, float], ...]
    """Long side of the images in pixels, and the share of the steps at which the stage ends."""
    patch_size: int

    def size(self, step: int) -> tuple[int, int]:
        """Height and width of a step's images."""
        long = self.settings.matching_size
        if not self.only_matching(step):
            long = next(long for long, end in self.stages if step < end * self.settings.steps or end >= 1)
        sizes = image_sizes(long, self.settings.shapes, self.patch_size)
        return sizes[seed_of(self.settings.seed, "shape", step) % len(sizes)]

    def only_matching(self, step: int) -> bool:
        """Whether a step trains the matches alone."""
        return seed_of(self.settings.seed, "matching", step) % 1000 < 1000 * self.settings.matching_steps

    def min_overlap(self, step: int) -> float | None:
        """What a step's rendered pairs share at least; None: as always."""
        return _EASY_OVERLAP if step < self.settings.easy_steps else None

    def rate_factor(self, step: int) -> float:
        """Share of the peak learning rate."""
        settings = self.settings
        return wsd(
            step, settings.steps, min(settings.warmup_steps, self.decay_start), settings.steps - self.decay_start
        )

    @property
    def long_sides(self) -> list[int]:
        """Of all image sizes, in pixels."""
        matching = [self.settings.matching_size] if self.settings.matching_steps else []
        return [long for long, _ in self.stages] + matching

    @property
    def decay_start(self) -> int:
        """First step of the decay."""
        decay = self.settings.decay_steps or self.settings.steps // 5
        return max(0, self.settings.steps - decay)


def make_curriculum(settings: TrainSettings, config: NetworkConfig) -> Curriculum:
    """The plan of a run.

    Raises:
        InputError: Stages or shapes cannot be read, images would be smaller than a token, or the network has no matches
            that could be trained alone.
    """
    if settings.matching_steps and not config.match_dim:
        raise InputError("This network has no match read-out to train alone. Leave out --matching-steps.")
    curriculum = Curriculum(settings, parse_stages(settings.stages) or ((config.image_size, 1.0),), config.patch_size)
    for long in curriculum.long_sides:
        image_sizes(long, settings.shapes, config.patch_size)
    return curriculum


def parse_stages(text: str) -> tuple[tuple[int, float], ...]:
    """'112:0.7,160:0.3' -> ((112, 0.7), (160, 1.0)): sizes and where they end.

    Raises:
        InputError: It cannot be read, or the shares do not add up to 1.
    """
    if not text:
        return ()
    try:
        parts = [(int(long), float(share)) for long, share in (part.split(":") for part in text.split(","))]
    except ValueError as error:
        raise InputError(f"Stages are like '112:0.7,160:0.3' (size:share of the steps), not {text!r}.") from error
    ends = [sum(share for _, share in parts[: index + 1]) for index in range(len(parts))]
    if abs(ends[-1] - 1) > 1e-6 or min(share for _, share in parts) <= 0 or min(long for long, _ in parts) <= 0:
        raise InputError(f"Sizes and shares of stages are positive, and the shares add up to 1; {text!r} is not so.")
    return tuple((long, end) for (long, _), end in zip(parts, [*ends[:-1], 1.0], strict=True))


@cache
def image_sizes(long: int, shapes: str, patch_size: int) -> tuple[tuple[int, int], ...]:
    """Height and width, in whole tokens, for each ratio of width to height such as in '4:3,3:4,1:1'.

    Raises:
        InputError: A ratio cannot be read, or an image is smaller than a token.
    """
    sizes = []
    for shape in shapes.split(","):
        try:
            width, height = (float(side) for side in shape.split(":"))
            longest = max(width, height) if min(width, height) > 0 else 0.0
            sides = [round(long * side / longest / patch_size) * patch_size for side in (height, width)]
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"Shapes are ratios of width to height like '4:3,3:4,1:1', not {shapes!r}.") from error
        if min(sides) < patch_size:
            raise InputError(f"Images of {long} pixels in shape {shape!r} are smaller than a token of {patch_size}.")
        sizes.append((sides[0], sides[1]))
    return tuple(sizes)
