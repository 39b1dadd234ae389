"""What pairs a step sees: rendered for it, drawn from earlier steps, and of photos.

The batch of a step is a list of parts. What is in a part is a pure function of the settings, the step and the part's
number, whichever process asks for it, and whenever: earlier pairs that are no longer (or, after an interruption, not
yet) in memory are rendered again. So an interrupted run goes on exactly. At worst that renders the whole `pool` once
more, a little in each step: 12,000 pairs of 60 ms are twelve minutes of one core, spread over the next thousand steps.
"""

import torch

from pointmap.train.curriculum import Curriculum, seed_of
from pointmap.train.pairs import PairBatch, make_pairs
from pointmap.train.photos import PosedPhotos, photo_pairs
from pointmap.train.random import Random
from pointmap.train.settings import TrainSettings
from pointmap.train.textures import make_textures

_SLICE = 4
"""So many pairs of an earlier part are taken together."""


def part_sizes(settings: TrainSettings, world: int) -> list[int]:
    """How many pairs each part of a step's batch has; part p is the work of process p modulo `world`."""
    share = settings.micro_batch or -(-settings.pairs_per_step // world)
    parts = max(1, -(-settings.pairs_per_step // share))
    parts = min(max(parts, world), settings.pairs_per_step) if not settings.micro_batch else parts
    least, more = divmod(settings.pairs_per_step, parts)
    return [least + (part < more) for part in range(parts)]


def render_chunk(device: torch.device) -> int:
    """Worlds that are rendered together: few fit into a CPU's cache, many keep a GPU busy."""
    return 2 if device.type == "cpu" else 256


class Feed:
    """Parts of batches, and the memory of what was rendered for earlier ones."""

    def __init__(
        self, settings: TrainSettings, curriculum: Curriculum, device: torch.device, photos: list[PosedPhotos]
    ) -> None:
        self.settings, self.curriculum, self.device = settings, curriculum, device
        self.photos = photos
        self.rendered: dict[tuple[int, int], PairBatch] = {}
        self.texels = make_textures(settings.textures, settings.seed, device)

    def stream(self, what: str, step: int, part: int) -> Random:
        """Random numbers of their own for every use in every part."""
        return Random(seed_of(self.settings.seed, what, step, part), self.device)

    def pairs(self, step: int, part: int, count: int) -> PairBatch:
        """The `count` pairs of a part of a step's batch."""
        share = self.settings.photo_share if self.photos else 0.0
        # A part has as many in every step, and small parts have them by turns.
        of_photos = round((part + 1) * count * share) - round(part * count * share)
        chosen = [self._photo_pairs(step, part, of_photos)] if of_photos else []
        if count > of_photos:
            chosen.append(self._procedural(step, part, count - of_photos))
        return PairBatch.cat(chosen)

    def _procedural(self, step: int, part: int, count: int) -> PairBatch:
        fresh = max(1, round(count * self.settings.fresh))
        window = max(1, self.settings.pool * count // (fresh * self.settings.pairs_per_step))
        self.rendered = {key: pairs for key, pairs in self.rendered.items() if key[0] > step - window}
        chosen, missing = [self._rendered(step, part, fresh)], count - fresh
        if missing:
            size = self.curriculum.size(step)
            earlier = [s for s in range(max(0, step - window + 1), step) if self.curriculum.size(s) == size] or [step]
            # Choices are made on the CPU: reading them back from a GPU would stop it every time.
            random = Random(seed_of(self.settings.seed, "earlier", step, part))
            while missing > 0:
                pairs = self._rendered(earlier[int(random.integers(0, len(earlier), 1))], part, fresh)
                start = int(random.integers(0, len(pairs), 1))
                chosen.append(pairs[start : start + min(missing, _SLICE)])
                missing -= len(chosen[-1])
        return PairBatch.cat(chosen)

    def _rendered(self, step: int, part: int, count: int) -> PairBatch:
        """What was rendered for a part of a step; again where it is not in memory."""
        if (step, part) not in self.rendered:
            self.rendered[step, part] = make_pairs(
                count,
                self.curriculum.size(step),
                self.stream("render", step, part),
                self.texels,
                self.settings.textures,
                min_overlap=self.curriculum.min_overlap(step),
                chunk=render_chunk(self.device),
            )
        return self.rendered[step, part]

    def _photo_pairs(self, step: int, part: int, count: int) -> PairBatch:
        random = Random(seed_of(self.settings.seed, "photos", step, part))
        folders = random.integers(0, len(self.photos), count).tolist()
        size = self.curriculum.size(step)
        return PairBatch.cat(
            [photo_pairs(self.photos[folder], size, random, count=1) for folder in folders],
        ).to(self.device)
