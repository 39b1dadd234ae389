"""Self- and cross-attention with rotary positions, through the fastest kernel that is known for the device."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pointmap.models.layers import Linear
from pointmap.models.rope import RotaryTable, rotate
from pointmap.shapes import Float

# Few tokens: two matrix products for all heads together (measured with bfloat16 on a CPU: 16 ms instead of the fused
# kernel's 100 ms for 32 sequences of 140 tokens).
_FUSED_FROM_TOKENS = 256
_FUSED_FROM_TOKENS_IN_TRAINING = 1024
"""There the fused kernel is slower still (588 tokens: 186 ms a pair of the small network's matching step, not 117)."""


def attend(
    query: Float[Tensor, "batch heads n dim"],
    key: Float[Tensor, "batch heads m dim"],
    value: Float[Tensor, "batch heads m dim"],
) -> Float[Tensor, "batch heads n dim"]:
    """Scaled dot-product attention."""
    if query.device.type == "cpu":
        limit = _FUSED_FROM_TOKENS_IN_TRAINING if torch.is_grad_enabled() else _FUSED_FROM_TOKENS
        if max(query.shape[2], key.shape[2]) < limit:
            return _two_products(query, key, value)
        if query.dtype == torch.bfloat16 and not torch.is_grad_enabled():
            return _head_by_head(query, key, value)
    if query.is_cuda and not torch.is_grad_enabled() and _xformers_works():
        from xformers.ops import memory_efficient_attention

        swapped = (tensor.transpose(1, 2).contiguous() for tensor in (query, key, value))
        return memory_efficient_attention(*swapped).transpose(1, 2)
    return F.scaled_dot_product_attention(query, key, value)


def _two_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return ((query * query.shape[-1] ** -0.5) @ key.mT).softmax(dim=-1) @ value


def _head_by_head(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One head at a time, whose scores stay in the CPU's cache (12 heads of 768 tokens: 9 ms, fused kernel 23 ms)."""
    output = torch.empty_like(query)
    for index in torch.cartesian_prod(*(torch.arange(size) for size in query.shape[:2])).tolist():
        at = tuple(index)
        output[at] = _two_products(query[at], key[at], value[at])
    return output


_xformers_verdict: bool | None = None


def _xformers_works() -> bool:
    """Whether the user asked for xformers (POINTMAP_XFORMERS=1) and one real call succeeded on this machine."""
    global _xformers_verdict
    if _xformers_verdict is None:
        import os

        _xformers_verdict = os.environ.get("POINTMAP_XFORMERS") == "1" and _try_xformers()
    return _xformers_verdict


def _try_xformers() -> bool:
    try:
        from xformers.ops import memory_efficient_attention

        sample = torch.ones(1, 8, 2, 64, device="cuda", dtype=torch.float16)
        return bool(torch.isfinite(memory_efficient_attention(sample, sample, sample)).all())
    except Exception:  # a wheel for another CUDA or torch can fail in any way; the built-in kernel then serves
        return False


class QueryKeyNorm(nn.Module):
    """Normalises queries and keys over a head's channels, so that no attention score runs away (Henry et al. 2020)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.query_scale = nn.Parameter(torch.ones(head_dim))
        self.key_scale = nn.Parameter(torch.ones(head_dim))

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return _rms_norm(query, self.query_scale), _rms_norm(key, self.key_scale)


def _rms_norm(tokens: Tensor, scale: Tensor) -> Tensor:
    return F.rms_norm(tokens, (tokens.shape[-1],), scale.to(tokens.dtype), 1e-6)


class SelfAttention(nn.Module):
    """Attention among the tokens of one image."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)
        self.qk_norm = QueryKeyNorm(dim // heads) if qk_norm else None

    def forward(self, tokens: Float[Tensor, "batch n dim"], table: RotaryTable) -> Float[Tensor, "batch n dim"]:
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.qk_norm is not None:
            query, key = self.qk_norm(query, key)
        mixed = attend(rotate(query, table), rotate(key, table), value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention from the tokens of one image to those of the other."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.projq = Linear(dim, dim)
        self.projk = Linear(dim, dim)
        self.projv = Linear(dim, dim)
        self.proj = Linear(dim, dim)
        self.qk_norm = QueryKeyNorm(dim // heads) if qk_norm else None

    def forward(
        self,
        tokens: Float[Tensor, "batch n dim"],
        other: Float[Tensor, "batch m dim"],
        table: RotaryTable,
        other_table: RotaryTable,
    ) -> Float[Tensor, "batch n dim"]:
        query, key, value = (
            project(source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, source in ((self.projq, tokens), (self.projk, other), (self.projv, other))
        )
        if self.qk_norm is not None:
            query, key = self.qk_norm(query, key)
        mixed = attend(rotate(query, table), rotate(key, other_table), value)
        return self.proj(mixed.transpose(1, 2).flatten(2))
