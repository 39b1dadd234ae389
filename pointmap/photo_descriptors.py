"""How alike photos are by descriptors of whole photos: those of the network itself, or of networks of others."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pointmap.errors import InputError
from pointmap.models import Network
from pointmap.models.precision import resolve_device
from pointmap.photo_similarity import photo_similarity
from pointmap.pretrained import load_pretrained
from pointmap.progress import ProgressCallback
from pointmap.scene import View
from pointmap.shapes import Float, UInt8

PUBLISHED = {"efficientnet": "google/efficientnet-b0", "dinov2": "facebook/dinov2-small"}
"""Both under Apache-2.0."""
CHOICES = ("network", *PUBLISHED)
_SIZE = 224
"""Long side of what these networks are shown, as they were trained."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours of ImageNet."""


def similarity_by(
    descriptor: str | Path,
    views: Sequence[View],
    *,
    network: Network | None = None,
    device: str | torch.device | None = None,
    progress: ProgressCallback | None = None,
) -> Float[np.ndarray, "n n"]:
    """Similarity of all pairs of photos, symmetric, larger where they are more alike; what `make_pairs` takes.

    Args:
        descriptor: 'network': what `photo_similarity` says, without further weights. 'efficientnet' (B0, Tan & Le
            2019), 'dinov2' (small, Oquab et al. 2023): cosines between mean features, through transformers (extra
            `match`); or the name of such a network on the hub, or its folder.
        network: For 'network'.
        device: Where networks of others run; default CUDA where there is one.
        progress: Called with ("compare", done, total).

    Raises:
        InputError: The name is unknown, the network cannot be loaded or is of another kind, or the extra is missing.
    """
    name = str(descriptor)
    if name == "network":
        if network is None:
            raise InputError(
                "Photos are compared by 'network', but none was given: pass network=pointmap.load_model()."
            )
        return photo_similarity(network, list(views), progress=progress)
    if name not in PUBLISHED and "/" not in name and not Path(descriptor).is_dir():
        raise InputError(
            f"Unknown descriptor {name!r}. Choose {', '.join(map(repr, CHOICES))}, or give the hub name or the folder "
            "of an EfficientNet or DINOv2 network."
        )
    model = load_pretrained("AutoModel", PUBLISHED.get(name, descriptor), purpose=f"The descriptor {name!r}")
    describe = _DESCRIBERS.get(model.config.model_type)
    if describe is None:
        raise InputError(
            f"The network of {name!r} is a {model.config.model_type!r}; descriptors are {' and '.join(_DESCRIBERS)}."
        )
    model = model.to(resolve_device(device))
    described: list[Tensor] = []
    for view in views:
        if progress is not None:
            progress("compare", len(described), len(views))
        with torch.no_grad():
            described.append(describe(model, view.image)[0].float().cpu())
    if progress is not None:
        progress("compare", len(views), len(views))
    means = torch.stack(described)
    apart = F.normalize(means - means.mean(dim=0), dim=1)  # without what all photos of the set have in common
    return (apart @ apart.mT).numpy()


def _efficientnet(model: Any, image: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 d"]:
    # The published weights expect colours that are scaled by the square roots (a slip of their first authors).
    shown = _shown(image, 32, [deviation**0.5 for deviation in _STD]).to(model.device)
    return model(shown).last_hidden_state.mean(dim=(2, 3))


def _dinov2(model: Any, image: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 d"]:
    tokens = model(_shown(image, model.config.patch_size, _STD).to(model.device)).last_hidden_state
    others = 1 + getattr(model.config, "num_register_tokens", 0)  # the class token and registers come first
    return tokens[:, others:].mean(dim=1)


_DESCRIBERS: dict[str, Callable[[Any, np.ndarray], Tensor]] = {
    "efficientnet": _efficientnet,
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2,
}


def _shown(image: np.ndarray, multiple: int, deviations: Sequence[float]) -> Float[Tensor, "1 3 h w"]:
    """The whole photo with a long side of 224 pixels, sides in multiples of a number, in normalised colours."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
    scale = _SIZE / max(image.shape[:2])
    size = [max(1, round(side * scale / multiple)) * multiple for side in image.shape[:2]]
    resized = F.interpolate(pixels, size, mode="bilinear", antialias=True)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (_MEAN, list(deviations)))
    return (resized - mean) / deviation
