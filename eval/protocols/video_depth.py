"""The protocols of video depth and of its single frames that one lineage of evaluation code shares.

Sources: `yyfz/Pi3@evaluation:videodepth/eval.py`, `:monodepth/eval.py`, `:utils/depth.py`;
`CUT3R/CUT3R:eval/video_depth/`; `Junyi42/monst3r:dust3r/depth_eval.py`. All resize estimates bicubically to the truth,
take pixels with a true depth below a limit, and weigh sequences (single frames: photos) by their pixels.
"""

from ..benchmark import Setting
from ..task import Kind
from .depth import Depth

SOURCE = "yyfz/Pi3@evaluation:videodepth/eval.py, :utils/depth.py"
SINGLE_SOURCE = "yyfz/Pi3@evaluation:monodepth/eval.py, :utils/depth.py"


def video_depth_settings(*, farthest: float = float("inf"), clip: bool = False, note: str = "") -> dict[str, Setting]:
    """`depth-scale`, `depth-scale-shift`, `depth-metric` and `depth-single`.

    Args:
        farthest: True depths above take no part.
        clip: Whether aligned estimates are cut off there as well.
        note: In what photos or truth differ from those of the sources.
    """
    limits = {"farthest": farthest, "clip": (float("-inf"), farthest) if clip else None, "resampling": "bicubic"}

    def video(title: str, align: str, more: str = "") -> Setting:
        scoring = Depth(align=align, per="sequence", weighted=True, **limits)  # type: ignore[arg-type]
        return Setting(title, scoring, SOURCE, " ".join(filter(None, [more, note])))

    single = Depth(align="median", per="image", weighted=True, **limits)  # type: ignore[arg-type]
    return {
        "depth-scale": video("Video depth, one scale per sequence", "scale_l1"),
        "depth-scale-shift": video(
            "Video depth, one scale and shift per sequence",
            "scale_shift_l1",
            "The source takes 1000 steps of Adam with learning rate 1e-4 from the ratio of medians, which may stop "
            "before the optimum.",
        ),
        "depth-metric": video("Video depth, not aligned", "none"),
        "depth-single": Setting(
            "Depth of single frames, median scale per frame",
            single,
            SINGLE_SOURCE,
            " ".join(
                filter(
                    None,
                    [
                        "The source means RMSE over frames by their pixels; here all pixels of a sequence make one.",
                        note,
                    ],
                )
            ),
            {"kind": "single"},
        ),
    }


def kind_of(setting: Setting) -> Kind:
    """Whether a method may use the other frames."""
    return "single" if (setting.options or {}).get("kind") == "single" else "video"
