"""Small random networks of transformers, written as their folders on the hub are."""

from pathlib import Path

import torch


def superpoint_config(**changes):
    from transformers import SuperPointConfig

    sizes = {"encoder_hidden_sizes": [8, 8, 16, 16], "decoder_hidden_size": 16, "descriptor_decoder_dim": 16}
    return SuperPointConfig(**(sizes | changes))


def glue_model(kind: str, **detector):
    """A SuperGlue or LightGlue network with SuperPoint, of few and random layers."""
    import transformers

    torch.manual_seed(3)
    if kind == "superglue":
        config = transformers.SuperGlueConfig(
            keypoint_detector_config=superpoint_config(**detector),
            hidden_size=16,
            keypoint_encoder_sizes=[8, 16],
            gnn_layers_types=["self", "cross"],
            num_attention_heads=2,
        )
        return _lively(transformers.SuperGlueForKeypointMatching(config))
    config = transformers.LightGlueConfig(
        keypoint_detector_config=superpoint_config(**detector),
        descriptor_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        filter_threshold=0.0,
    )
    return _lively(transformers.LightGlueForKeypointMatching(config))


@torch.no_grad()
def _lively(model):
    """Random networks start so small that they say the same of every place."""
    for name, parameter in model.named_parameters():
        if "final_proj" in name and parameter.ndim == 2:
            parameter.copy_(12 * torch.eye(16))  # keypoints that look alike match
        elif parameter.ndim > 1:
            torch.nn.init.xavier_normal_(parameter, gain=2.0 if "detector" in name else 0.3)
    return model.eval()


def glue_folder(kind: str, folder: Path, **detector) -> Path:
    """The same network as `glue_model`, saved."""
    glue_model(kind, **detector).save_pretrained(folder)
    return folder
