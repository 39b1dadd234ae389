"""The whole network: `network(image_i, image_j)` decodes, as a pair, what it encodes of each image."""

import torch
from torch import Tensor, nn

from pointmap.errors import InputError
from pointmap.models.blocks import DecoderBlock, EncoderBlock
from pointmap.models.config import NetworkConfig
from pointmap.models.encoding import Encoding
from pointmap.models.heads.activations import activate_confidence, activate_descriptors, activate_points
from pointmap.models.heads.conv import ConvHead
from pointmap.models.heads.descriptor import DescriptorHead
from pointmap.models.heads.dpt import DptHead
from pointmap.models.heads.linear import LinearHead
from pointmap.models.layers import LayerNorm, Linear, convert
from pointmap.models.match import MatchReadout
from pointmap.models.position import fourier_features, grid_coordinates
from pointmap.models.rope import RotaryTable, rotary_table
from pointmap.models.stem import ConvStem, PatchEmbedding
from pointmap.scene import PairPrediction
from pointmap.shapes import Float

_POSITION_OCTAVES = 4


class Network(nn.Module):
    """Pairwise pointmap regression (Wang et al. 2024, DUSt3R; Leroy et al. 2024, MASt3R).

    The state dict has the names of the published checkpoints; what ours adds is switched by the config.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        encoder = (config.encoder_dim, config.encoder_heads)
        decoder = (config.decoder_dim, config.decoder_heads)
        self.patch_embed = (
            ConvStem(config.encoder_dim, config.stem_widths)
            if config.stem == "conv"
            else PatchEmbedding(config.encoder_dim, config.patch_size)
        )
        if config.absolute_position:
            self.position_embed = Linear(2 * (1 + 2 * _POSITION_OCTAVES), config.encoder_dim)
        if config.registers:
            self.registers = nn.Parameter(0.02 * torch.randn(config.registers, config.encoder_dim))
        self.enc_blocks = nn.ModuleList(
            EncoderBlock(*encoder, qk_norm=config.qk_norm) for _ in range(config.encoder_depth)
        )
        self.enc_norm = LayerNorm(config.encoder_dim)
        # Left over from cross-view completion pretraining; checkpoints carry it.
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.decoder_dim), requires_grad=False)
        self.decoder_embed = Linear(config.encoder_dim, config.decoder_dim)
        self.match = (
            MatchReadout(config.encoder_dim, config.decoder_dim, config.match_dim) if config.match_dim else None
        )
        self.dec_blocks = nn.ModuleList(
            DecoderBlock(*decoder, qk_norm=config.qk_norm) for _ in range(config.decoder_depth)
        )
        self.dec_blocks2 = nn.ModuleList(
            DecoderBlock(*decoder, qk_norm=config.qk_norm) for _ in range(config.decoder_depth)
        )
        self.dec_norm = LayerNorm(config.decoder_dim)
        self.downstream_head1 = _make_head(config)
        self.downstream_head2 = _make_head(config)

    @property
    def precision(self) -> torch.dtype:
        """Type of the large weights."""
        return self.decoder_embed.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder_embed.weight.device

    def set_precision(self, dtype: torch.dtype) -> "Network":
        """Compute the large products in `dtype`; norms, positions and output activations stay float32."""
        convert(self, dtype)
        return self

    def forward(
        self, image_i: Float[Tensor, "batch 3 h_i w_i"], image_j: Float[Tensor, "batch 3 h_j w_j"]
    ) -> PairPrediction:
        """Predict the points of both images in the camera frame of i.

        Args:
            image_i, image_j: RGB in [-1, 1]; sides are multiples of the patch size, and may differ between i and j.
        """
        return self.decode(self.encode(image_i), self.encode(image_j))

    def encode(self, image: Float[Tensor, "batch 3 h w"]) -> Encoding:
        """What decoding needs of a batch of images; once per image, however many pairs it is part of.

        Args:
            image: RGB in [-1, 1].

        Raises:
            InputError: A side is not a multiple of the patch size.
        """
        height, width = image.shape[-2:]
        patch = self.config.patch_size
        if height % patch or width % patch or not height or not width:
            raise InputError(
                f"Images of {width}x{height} pixels do not divide into patches of {patch}. Resize or crop them first, "
                "as pointmap.images.load_views does."
            )
        grid = (height // patch, width // patch)
        tokens, skips = self.patch_embed(image)
        if self.config.absolute_position:
            position = fourier_features(grid_coordinates(grid, image.device), _POSITION_OCTAVES)
            tokens = tokens + self.position_embed(position)
        tokens = tokens.float()  # the residual stream is float32 in every precision
        registers = self.config.registers
        if registers:
            # Darcet et al. 2024, "Vision Transformers Need Registers": without them, what concerns the whole image is
            # kept in tokens of plain patches, which then no longer say what is there.
            tokens = torch.cat([self.registers.expand(len(tokens), -1, -1), tokens], dim=1)
        table = self._rotary_table(grid, self.config.encoder_dim // self.config.encoder_heads, registers)
        for block in self.enc_blocks:
            tokens = block(tokens, table)
        return Encoding(self.enc_norm(tokens[:, registers:]), skips, grid)

    def decode(
        self,
        encoding_i: Encoding,
        encoding_j: Encoding,
        similarity: Float[Tensor, "batch n m"] | None = None,
    ) -> PairPrediction:
        """Predict the points of both images of every pair in the camera frame of i.

        Args:
            similarity: `match_similarity` of the pair where the caller has it already.
        """
        decoded_i, decoded_j = self._decode_tokens(encoding_i, encoding_j, similarity)
        maps_i = self._maps(self.downstream_head1, encoding_i, decoded_i)
        maps_j = self._maps(self.downstream_head2, encoding_j, decoded_j)
        return PairPrediction(
            points_i=maps_i[0],
            points_j=maps_j[0],
            confidence_i=maps_i[1],
            confidence_j=maps_j[1],
            descriptors_i=maps_i[2],
            descriptors_j=maps_j[2],
            descriptor_confidence_i=maps_i[3],
            descriptor_confidence_j=maps_j[3],
            sky_i=maps_i[4],
            sky_j=maps_j[4],
        )

    def match_similarity(self, encoding_i: Encoding, encoding_j: Encoding) -> Float[Tensor, "batch n m"] | None:
        """Logits of every token of i matching every token of j; None for a network without the read-out."""
        return None if self.match is None else self.match.similarity(encoding_i.tokens, encoding_j.tokens)

    def _decode_tokens(
        self, encoding_i: Encoding, encoding_j: Encoding, similarity: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs of all blocks for both views, the last ones normalised."""
        i, j = (self.decoder_embed(encoding.tokens).float() for encoding in (encoding_i, encoding_j))
        grid_i, grid_j = encoding_i.grid, encoding_j.grid
        if self.match is not None:
            if similarity is None:
                similarity = self.match.similarity(encoding_i.tokens, encoding_j.tokens)
            i = i + self.match(similarity, grid_i, grid_j)
            j = j + self.match(similarity.mT, grid_j, grid_i)
        head_dim = self.config.decoder_dim // self.config.decoder_heads
        table_i, table_j = self._rotary_table(grid_i, head_dim), self._rotary_table(grid_j, head_dim)
        decoded_i, decoded_j = [], []
        for block_i, block_j in zip(self.dec_blocks, self.dec_blocks2, strict=True):
            # Both read the other's tokens of the previous layer.
            i, j = block_i(i, j, table_i, table_j), block_j(j, i, table_j, table_i)
            decoded_i.append(i)
            decoded_j.append(j)
        decoded_i[-1], decoded_j[-1] = self.dec_norm(i), self.dec_norm(j)
        return decoded_i, decoded_j

    def _maps(
        self, head: nn.Module, encoding: Encoding, decoded: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """Points, confidence, descriptors and their confidence, and the logit of sky of one view."""
        config = self.config
        raw = head(encoding, decoded).float().movedim(1, -1)
        points = activate_points(raw[..., :3], config.depth_activation)
        confidence = activate_confidence(raw[..., 3], config.confidence_activation, config.confidence_range)
        sky = raw[..., 4] if config.sky else None
        if not config.descriptor_dim:
            return points, confidence, None, None, sky
        local = head.get_submodule("head_local_features")(encoding, decoded).float().movedim(1, -1)
        descriptor_confidence = activate_confidence(
            local[..., -1], config.descriptor_confidence_activation, config.descriptor_confidence_range
        )
        return points, confidence, activate_descriptors(local[..., :-1]), descriptor_confidence, sky

    def _rotary_table(self, grid: tuple[int, int], head_dim: int, registers: int = 0) -> RotaryTable:
        dtype = self.precision
        if torch.is_autocast_enabled(self.device.type):
            dtype = torch.get_autocast_dtype(self.device.type)
        return rotary_table(grid, head_dim, self.config.rope_base, self.device, dtype, registers)


def _make_head(config: NetworkConfig) -> nn.Module:
    dims = (config.encoder_dim, config.decoder_dim)
    if config.head == "conv":
        return ConvHead(
            *dims,
            config.patch_size,
            config.stem_widths,
            config.conv_features,
            sky=config.sky,
        )
    if config.head == "linear":
        return LinearHead(config.decoder_dim, config.patch_size)
    head = DptHead(*dims, config.decoder_depth, config.patch_size, config.dpt_widths, config.dpt_features)
    if config.descriptor_dim:
        head.head_local_features = DescriptorHead(*dims, config.descriptor_dim, config.patch_size)
    return head
