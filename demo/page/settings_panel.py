"""Network and advanced settings, as visitors see them."""

from typing import Any

import gradio as gr

from pointmap.demo.work.settings import IMAGE_SIZES, offered_networks

AUTO = "auto"

_PAIRS = [
    ("Chosen for me", AUTO),
    ("Each with each (slow for many)", "complete"),
    ("Each with the 10 most alike", "retrieval-10"),
    ("Each with its neighbours in the strip", "window-3"),
    ("The first with each", "one-to-all-0"),
]
_SIZES = [("Chosen for me", AUTO), *((f"{size} pixels", str(size)) for size in IMAGE_SIZES)]
_POSES = [
    ("Try both, take the better", AUTO),
    ("The network, then keypoints", "network"),
    ("Keypoints alone (structure from motion)", "sfm"),
]
_DEPTHS = [
    ("Chosen for me", AUTO),
    ("The network alone", "network"),
    ("The network, corrected by comparing photos", "stereo"),
]
_SUBJECTS = [("A place", "scene"), ("One thing, from around", "object")]
_SHARED = [("Chosen for me", AUTO), ("The same in all photos", "yes"), ("It changes", "no")]
_FOCALS = [("Not known", "unknown"), ("In pixels", "focal_px"), ("In mm on 36x24 film", "focal_35mm")]


def build_settings(model: str) -> list[Any]:
    """Make the controls in the open `gr.Blocks`.

    Args:
        model: The network that is chosen at first, if it is there.

    Returns:
        The components, whose values `settings_from_values` takes in this order.
    """
    networks = [(network.label, network.name) for network in offered_networks()]
    names = [name for _, name in networks]
    network = gr.Radio(
        networks,
        value=model if model in names else names[0],
        label="Network",
        elem_id="pm-network",
        elem_classes="pm-list",
    )
    with gr.Accordion("Advanced", open=False, elem_id="pm-advanced"):
        subject = gr.Radio(_SUBJECTS, value="scene", label="What the photos show")
        surface = gr.Checkbox(True, label="Make a surface as well as points")
        sky = gr.Checkbox(False, label="Leave out the sky")
        pairs = gr.Dropdown(_PAIRS, value=AUTO, label="Which photos are compared", filterable=False)
        size = gr.Dropdown(
            _SIZES, value=AUTO, label="Size the network works at", info="Larger is slower", filterable=False
        )
        poses = gr.Dropdown(_POSES, value=AUTO, label="Where the cameras come from", filterable=False)
        depth = gr.Dropdown(_DEPTHS, value=AUTO, label="Where the depth comes from", filterable=False)
        shared = gr.Dropdown(_SHARED, value=AUTO, label="Zoom", filterable=False)
        focal_kind = gr.Dropdown(_FOCALS, value="unknown", label="Focal length", filterable=False)
        focal = gr.Number(None, label="Its value, for all photos", minimum=0, visible=False)
    focal_kind.input(
        lambda kind: gr.update(visible=kind != "unknown"),
        focal_kind,
        focal,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return [network, subject, surface, sky, pairs, size, poses, depth, shared, focal_kind, focal]


def settings_from_values(
    network: str,
    subject: str,
    surface: bool,
    sky: bool,
    pairs: str,
    size: str,
    poses: str,
    depth: str,
    shared: str,
    focal_kind: str,
    focal: float | None,
) -> dict[str, Any]:
    """The "settings" of a job (`jobs.reconstruct_job`) from the controls; what was left open is not in it."""
    settings: dict[str, Any] = {"model": network, "surface": bool(surface), "mask_sky": bool(sky), "subject": subject}
    chosen = {"pairs": pairs, "poses": poses, "depth": depth}
    settings |= {name: value for name, value in chosen.items() if value != AUTO}
    if size != AUTO:
        settings["image_size"] = int(size)
    if shared != AUTO:
        settings["shared_focal"] = shared == "yes"
    if focal_kind != "unknown" and focal:
        settings[focal_kind] = float(focal)
    return settings
