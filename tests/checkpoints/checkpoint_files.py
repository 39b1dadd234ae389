"""Small networks in every layout that is loaded, written by the tests themselves."""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from pointmap.models import Network
from pointmap.models.official import config_from_official

CONSTRUCTOR = (
    "AsymmetricCroCo3DStereo(pos_embed='RoPE100', patch_embed_cls='ManyAR_PatchEmbed', img_size=(64, 64), "
    "head_type='linear', output_mode='pts3d', depth_mode=('exp', -inf, inf), conf_mode=('exp', 1, inf), "
    "enc_embed_dim=16, enc_depth=2, enc_num_heads=2, dec_embed_dim=8, dec_depth=2, dec_num_heads=2, "
    "landscape_only=True)"
)
KEYWORDS = {
    "pos_embed": "RoPE100",
    "img_size": [64, 64],
    "head_type": "linear",
    "output_mode": "pts3d",
    "depth_mode": ["exp", -float("inf"), float("inf")],
    "conf_mode": ["exp", 1, float("inf")],
    "enc_embed_dim": 16,
    "enc_depth": 2,
    "enc_num_heads": 2,
    "dec_embed_dim": 8,
    "dec_depth": 2,
    "dec_num_heads": 2,
    "landscape_only": False,
}
DPT_KEYWORDS = KEYWORDS | {"head_type": "dpt", "dec_depth": 12}


def make_network(keywords: dict = KEYWORDS) -> Network:
    torch.manual_seed(1)
    return Network(config_from_official(keywords)).eval()


def write_pth(path: Path, state: dict[str, Tensor], constructor: str = CONSTRUCTOR) -> Path:
    """The layout of the published pickles."""
    torch.save({"args": argparse.Namespace(model=constructor, lr=1e-4), "model": state, "epoch": 3}, path)
    return path


def write_folder(folder: Path, state: dict[str, Tensor], config: dict = KEYWORDS) -> Path:
    """The layout of the hub: bare `Infinity` in the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().clone() for name, tensor in state.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder
