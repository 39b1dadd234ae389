"""Pre-norm transformer blocks; attribute names are those of the published checkpoints."""

from torch import Tensor, nn

from pointmap.models.attention import CrossAttention, SelfAttention
from pointmap.models.layers import LayerNorm, Mlp
from pointmap.models.rope import RotaryTable
from pointmap.shapes import Float


class EncoderBlock(nn.Module):
    """Self-attention and an MLP."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = SelfAttention(dim, heads, qk_norm=qk_norm)
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim)

    def forward(self, tokens: Float[Tensor, "batch n dim"], table: RotaryTable) -> Float[Tensor, "batch n dim"]:
        tokens = tokens + self.attn(self.norm1(tokens), table)
        return tokens + self.mlp(self.norm2(tokens))


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention to the other view, and an MLP."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = SelfAttention(dim, heads, qk_norm=qk_norm)
        self.cross_attn = CrossAttention(dim, heads, qk_norm=qk_norm)
        self.norm2 = LayerNorm(dim)
        self.norm3 = LayerNorm(dim)
        self.mlp = Mlp(dim)
        self.norm_y = LayerNorm(dim)

    def forward(
        self,
        tokens: Float[Tensor, "batch n dim"],
        other: Float[Tensor, "batch m dim"],
        table: RotaryTable,
        other_table: RotaryTable,
    ) -> Float[Tensor, "batch n dim"]:
        tokens = tokens + self.attn(self.norm1(tokens), table)
        tokens = tokens + self.cross_attn(self.norm2(tokens), self.norm_y(other), table, other_table)
        return tokens + self.mlp(self.norm3(tokens))
