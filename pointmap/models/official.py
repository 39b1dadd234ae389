"""The constructor keywords that published checkpoints carry, as a `NetworkConfig`."""

import re
from typing import Any

from pointmap.errors import InputError
from pointmap.models.config import NetworkConfig

# These choose something about training, or a layout that all published networks share.
_WITHOUT_EFFECT = {"freeze", "landscape_only", "patch_embed_cls", "mlp_ratio", "norm_layer", "norm_im2_in_dec"}
_SIZES = {
    "enc_embed_dim": "encoder_dim",
    "enc_depth": "encoder_depth",
    "enc_num_heads": "encoder_heads",
    "dec_embed_dim": "decoder_dim",
    "dec_depth": "decoder_depth",
    "dec_num_heads": "decoder_heads",
    "patch_size": "patch_size",
}
_HEADS = {"linear": "linear", "dpt": "dpt", "catmlp+dpt": "dpt"}


def config_from_official(keywords: dict[str, Any]) -> NetworkConfig:
    """Translate the keywords of the published DUSt3R / MASt3R constructors.

    Raises:
        InputError: A keyword or a value is not one that these networks have.
    """
    rest = {key: value for key, value in keywords.items() if key not in _WITHOUT_EFFECT}
    settings: dict[str, Any] = {ours: int(rest.pop(theirs)) for theirs, ours in _SIZES.items() if theirs in rest}
    if "img_size" in rest:
        size = rest.pop("img_size")
        settings["image_size"] = int(max(size)) if isinstance(size, (tuple, list)) else int(size)
    if "pos_embed" in rest:
        settings["rope_base"] = float(_match(r"RoPE(\d+(?:\.\d+)?)", rest.pop("pos_embed"), "pos_embed")[1])
    head = rest.pop("head_type", "linear")
    if head not in _HEADS:
        raise InputError(f"head_type {head!r} is not known. Known are: {', '.join(_HEADS)}.")
    settings["head"] = _HEADS[head]
    output = _match(r"pts3d(?:\+desc(\d+))?", rest.pop("output_mode", "pts3d"), "output_mode")
    settings["descriptor_dim"] = int(output[1] or 0)
    if bool(settings["descriptor_dim"]) != (head == "catmlp+dpt"):
        raise InputError(f"output_mode {output[0]!r} does not go with head_type {head!r}.")
    # A descriptor head without confidences of its own, or with descriptors of any length, was never published.
    for keyword, expected in (("two_confs", True), ("desc_mode", "norm")):
        value = rest.pop(keyword, expected)
        value = value[0] if isinstance(value, (tuple, list)) else value
        if settings["descriptor_dim"] and value != expected:
            raise InputError(f"{keyword} {value!r} is not supported; published networks have {expected!r}.")
    if "depth_mode" in rest:
        mode, low, high = rest.pop("depth_mode")
        if (float(low), float(high)) != (float("-inf"), float("inf")):
            raise InputError(f"depth_mode with limits {low}, {high} is not supported; published networks have none.")
        settings["depth_activation"] = mode
    for keyword, name in (("conf_mode", "confidence"), ("desc_conf_mode", "descriptor_confidence")):
        if rest.get(keyword) is not None:
            mode, low, high = rest.pop(keyword)
            settings[f"{name}_activation"] = mode
            settings[f"{name}_range"] = (float(low), float(high))
    rest.pop("desc_conf_mode", None)
    if rest:
        raise InputError(f"Network settings {', '.join(sorted(rest))} are not known; is it a DUSt3R or MASt3R network?")
    return NetworkConfig(**settings)


def _match(pattern: str, value: Any, keyword: str) -> re.Match[str]:
    match = re.fullmatch(pattern, str(value))
    if match is None:
        raise InputError(f"{keyword} {value!r} is not supported; expected the form {pattern}.")
    return match
