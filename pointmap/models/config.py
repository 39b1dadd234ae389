"""What a network consists of, as data: published networks and ours are one class with one config."""

from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any, Literal

from pointmap.errors import InputError

Range = tuple[float, float]


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes and choices of a `Network`. The defaults are those of the published ViT-L networks with a DPT head."""

    image_size: int = 512
    """Long side of the training images in pixels; 224: short side of square crops."""
    inference_size: int | None = None
    """Long side of working images where another size than that of training serves better; None: the same."""
    patch_size: int = 16
    metric: bool = False
    """Points are in metres."""

    encoder_dim: int = 1024
    encoder_depth: int = 24
    encoder_heads: int = 16
    decoder_dim: int = 768
    decoder_depth: int = 12
    decoder_heads: int = 12
    rope_base: float = 100.0

    head: Literal["linear", "dpt", "conv"] = "dpt"
    dpt_widths: tuple[int, int, int, int] = (96, 192, 384, 768)
    """Channels of the four levels of the DPT head."""
    dpt_features: int = 256
    """Channels that the levels are fused in."""
    depth_activation: Literal["exp", "square", "linear"] = "exp"
    confidence_activation: Literal["exp", "sigmoid"] = "exp"
    confidence_range: Range = (1.0, inf)
    descriptor_dim: int = 0
    """Channels of the local features (MASt3R); 0: none."""
    descriptor_confidence_activation: Literal["exp", "sigmoid"] = "exp"
    descriptor_confidence_range: Range = (0.0, inf)

    stem: Literal["linear", "conv"] = "linear"
    """How pixels become tokens: one linear patch embedding, or strided convolutions (ours)."""
    stem_widths: tuple[int, ...] = (32, 64, 128)
    """Channels after each halving of the convolutional stem; there are log2(patch_size) of them."""
    absolute_position: bool = False
    """Tokens are told where they stand in the image (ours): RoPE only tells attention how far apart two are."""
    registers: int = 0
    """Learnt tokens beside those of the image in the encoder's attention, dropped at its end (ours)."""
    qk_norm: bool = False
    """Queries and keys are normalised (ours)."""
    match_dim: int = 0
    """Channels of the explicit match read-out between the views (ours); 0: none."""
    match_size: int | None = None
    """Long side of the images in which tokens are matched for relative poses; None: as `working_size`."""
    conv_features: int = 64
    """Channels of the convolutional head (ours)."""
    sky: bool = False
    """The convolutional head also says where the sky is (ours)."""

    def __post_init__(self) -> None:
        for name in ("encoder", "decoder"):
            dim, heads = getattr(self, f"{name}_dim"), getattr(self, f"{name}_heads")
            if dim % heads or dim // heads % 4:
                raise InputError(f"{name}_dim {dim} with {heads} heads: a head must have a multiple of 4 channels.")
        if self.stem == "conv" and 2 ** len(self.stem_widths) != self.patch_size:
            raise InputError(f"stem_widths {self.stem_widths} halve the image to other patches than {self.patch_size}.")
        if self.head == "conv" and self.stem != "conv":
            raise InputError("The convolutional head needs the convolutional stem, whose features it reuses.")
        if self.sky and self.head != "conv":
            raise InputError("Only the convolutional head says where the sky is.")

    @property
    def working_size(self) -> int:
        """Long side (at 224: short side) of the images to predict on, in pixels."""
        return self.inference_size or self.image_size

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinities become the strings "inf" and "-inf"."""
        return {"format": "pointmap"} | {name: _to_json(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkConfig":
        """Read what `to_dict` wrote.

        Raises:
            InputError: A name is unknown, or values do not fit together.
        """
        values = {key: _from_json(value) for key, value in values.items() if key != "format"}
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"Unknown network settings {', '.join(unknown)}: the weights need a newer pointmap.")
        return cls(**values)


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return str(value) if value in (inf, -inf) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    return float(value) if value in ("inf", "-inf") else value


_OURS: dict[str, Any] = {
    "patch_size": 8,
    "head": "conv",
    "stem": "conv",
    "absolute_position": True,
    "qk_norm": True,
    "match_dim": 64,
    "sky": True,
}

PRESETS = {
    "nano": NetworkConfig(
        **_OURS,
        image_size=64,
        encoder_dim=64,
        encoder_depth=2,
        encoder_heads=1,
        decoder_dim=64,
        decoder_depth=2,
        decoder_heads=1,
        stem_widths=(16, 32, 64),
        conv_features=32,
    ),
    "tiny": NetworkConfig(
        **_OURS,
        image_size=96,
        inference_size=128,
        match_size=256,
        encoder_dim=192,
        encoder_depth=3,
        encoder_heads=3,
        decoder_dim=128,
        decoder_depth=1,
        decoder_heads=2,
        stem_widths=(32, 64, 128),
        conv_features=64,
    ),
    "small": NetworkConfig(
        **_OURS,
        image_size=112,
        inference_size=160,
        match_size=320,
        encoder_dim=192,
        encoder_depth=4,
        encoder_heads=3,
        decoder_dim=128,
        decoder_depth=3,
        decoder_heads=2,
        stem_widths=(32, 64, 128),
        conv_features=64,
    ),
    "DUSt3R_ViTLarge_BaseDecoder_224_linear": NetworkConfig(image_size=224, head="linear"),
    "DUSt3R_ViTLarge_BaseDecoder_512_linear": NetworkConfig(head="linear"),
    "DUSt3R_ViTLarge_BaseDecoder_512_dpt": NetworkConfig(),
    "MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric": NetworkConfig(descriptor_dim=24, metric=True),
}
"""Networks by name: "nano" for tests and ablations, "tiny" (fast) and "small" are bundled with weights, the others are
the published ones."""
