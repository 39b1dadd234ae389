"""What the encoder knows of photos, all that decoding needs of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pointmap.shapes import Float


@dataclass(frozen=True)
class Encoding:
    """Encoder output for a batch of images of one size."""

    tokens: Float[Tensor, "batch n dim"]
    """Row by row, after the encoder's final norm."""

    skips: tuple[Tensor, ...]
    """Feature maps (batch, channels, h/s, w/s) of the convolutional stem for s = 2, 4, ...; none for a linear one."""

    grid: tuple[int, int]
    """Rows and columns of tokens."""

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def __getitem__(self, index: slice | Tensor | Sequence[int]) -> "Encoding":
        """A batch of some of the images."""
        if not isinstance(index, (slice, Tensor)):
            index = torch.as_tensor(index, device=self.tokens.device)
        return Encoding(self.tokens[index], tuple(skip[index] for skip in self.skips), self.grid)

    def to(self, device: torch.device | str) -> "Encoding":
        """The same on another device."""
        return Encoding(self.tokens.to(device), tuple(skip.to(device) for skip in self.skips), self.grid)

    @staticmethod
    def cat(encodings: "Sequence[Encoding]") -> "Encoding":
        """One batch of encodings of equal grids."""
        first = encodings[0]
        if any(encoding.grid != first.grid for encoding in encodings):
            raise ValueError(f"Cannot batch images of different sizes: grids {[e.grid for e in encodings]}.")
        return Encoding(
            torch.cat([encoding.tokens for encoding in encodings]),
            tuple(torch.cat(level) for level in zip(*(encoding.skips for encoding in encodings), strict=True)),
            first.grid,
        )
