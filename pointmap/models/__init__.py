"""The network: a siamese ViT encoder, two decoders that look at each other, and heads for points and descriptors."""

from pointmap.models.config import PRESETS, NetworkConfig
from pointmap.models.encoding import Encoding
from pointmap.models.network import Network

__all__ = ["PRESETS", "Encoding", "Network", "NetworkConfig"]
