"""Known depths within passes over the pixels: as one more observation of each, or kept."""

from dataclasses import dataclass

import torch

from pointmap.shapes import Bool, Float


@dataclass(frozen=True)
class KnownDepths:
    """Known depths at some pixels of some views. float32."""

    depths: Float[torch.Tensor, "views k"]
    """0 where unknown."""

    sigmas: Float[torch.Tensor, "views 1"]
    """Of the logarithm; 0 where exact."""

    strength: Float[torch.Tensor, "views k"]
    """Independent measurements that each pixel stands for, each in units of the loss."""

    def of(self, views: slice, pixels: slice) -> "KnownDepths":
        """Of these views and columns alone."""
        return KnownDepths(self.depths[views, pixels], self.sigmas[views], self.strength[views, pixels])

    def kept(self) -> Bool[torch.Tensor, "views k"]:
        """Where depths are exact."""
        return (self.depths > 0) & (self.sigmas == 0)

    def joined(
        self,
        depths: Float[torch.Tensor, "views k"],
        weights: Float[torch.Tensor, "views k"],
        near: Float[torch.Tensor, "views k"],
    ) -> Float[torch.Tensor, "views k"]:
        """Depths that are best for data and known depths together.

        Args:
            depths: Those best for the data alone.
            weights: Of the squared differences to them, in the units of the loss over squared depth.
            near: Depths nearby, at which the cost of a known depth (`depth_terms`) becomes a weighted square.
        """
        safe = torch.where(self.depths > 0, self.depths, 1.0)
        ratio = (near / safe).clamp_min(1e-3)
        sigmas = self.sigmas.clamp_min(1e-6)
        # The slope of the cost at `near` is that of the square: log(ratio) / (ratio (ratio - 1)) is 1 near 1.
        off = ratio - 1
        slope = torch.where(off.abs() < 1e-2, 1 - 1.5 * off, ratio.log() / (off * ratio))
        robust = (1 + (ratio.log() / sigmas).square()).rsqrt()
        pull = torch.where(self.depths > 0, self.strength * robust * slope / (sigmas * safe).square(), 0.0)
        both = (weights * depths + pull * self.depths) / (weights + pull).clamp_min(1e-30)
        return torch.where(self.kept(), self.depths, torch.where(pull > 0, both, depths))
