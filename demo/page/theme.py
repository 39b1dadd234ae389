"""How the page looks: the colours of the viewer (`pointmap/export/viewer/page.css`), light and dark, system fonts."""

import gradio as gr
from gradio.themes.utils.colors import Color

from pointmap.demo.page.static_files import STATIC

GROUND, PAPER, INK, QUIET, LINE, ACCENT, ON_ACCENT = range(7)
LIGHT = ("#f3f3f6", "#ffffff", "#232328", "#65656e", "#dcdce2", "#2f5f9e", "#ffffff")
DARK = ("#17181b", "#212226", "#ececf0", "#a2a2ad", "#3a3b42", "#8db4e8", "#14161a")

_BLUE = Color(
    "#f0f5fb",
    "#dde8f5",
    "#bfd3ec",
    "#8db4e8",
    "#5b8fd0",
    "#2f5f9e",
    "#29548d",
    "#24497b",
    "#1f3d66",
    "#1a3252",
    "#12233a",
)
_GREY = Color(
    "#f3f3f6",
    "#ececf0",
    "#dcdce2",
    "#c4c4cc",
    "#a2a2ad",
    "#65656e",
    "#4c4c55",
    "#3a3b42",
    "#2b2c31",
    "#212226",
    "#17181b",
)
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
# An outline of a camera's frustum, for the tab of the browser.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Cpath d='M4 16 26 5v22zM4 16h22' fill='none'"
    " stroke='%235b8fd0' stroke-width='3' stroke-linejoin='round'/%3E%3C/svg%3E"
)


def make_theme() -> gr.themes.Base:
    """The theme for `launch(theme=...)`; no font is loaded from anywhere."""
    theme = gr.themes.Base(
        primary_hue=_BLUE,
        secondary_hue=_BLUE,
        neutral_hue=_GREY,
        spacing_size="sm",
        radius_size="md",
        text_size="md",
        font=_FONT,
        font_mono=_MONO,
    )
    theme.name = "pointmap"
    return theme.set(**_both_ways(), **_SHAPES)


_ROLES: dict[str, int] = {
    "body_background_fill": GROUND,
    "body_text_color": INK,
    "body_text_color_subdued": QUIET,
    "background_fill_primary": PAPER,
    "background_fill_secondary": GROUND,
    "border_color_primary": LINE,
    "border_color_accent": ACCENT,
    "link_text_color": ACCENT,
    "link_text_color_hover": ACCENT,
    "link_text_color_active": ACCENT,
    "link_text_color_visited": ACCENT,
    "block_background_fill": PAPER,
    "block_border_color": LINE,
    "block_label_background_fill": PAPER,
    "block_label_text_color": QUIET,
    "block_title_text_color": INK,
    "block_info_text_color": QUIET,
    "panel_background_fill": PAPER,
    "input_background_fill": GROUND,
    "input_background_fill_focus": GROUND,
    "input_border_color": LINE,
    "input_border_color_focus": ACCENT,
    "input_placeholder_color": QUIET,
    "checkbox_background_color": PAPER,
    "checkbox_border_color": QUIET,
    "checkbox_border_color_focus": ACCENT,
    "checkbox_label_background_fill": PAPER,
    "checkbox_label_background_fill_hover": GROUND,
    "checkbox_label_background_fill_selected": PAPER,
    "checkbox_label_border_color": LINE,
    "checkbox_label_text_color": INK,
    "table_border_color": LINE,
    "table_even_background_fill": PAPER,
    "table_odd_background_fill": GROUND,
    "stat_background_fill": ACCENT,
    "slider_color": ACCENT,
    "loader_color": ACCENT,
    "button_primary_background_fill": ACCENT,
    "button_primary_border_color": ACCENT,
    "button_primary_text_color": ON_ACCENT,
    "button_secondary_background_fill": PAPER,
    "button_secondary_border_color": LINE,
    "button_secondary_text_color": INK,
    "button_cancel_background_fill": PAPER,
    "button_cancel_border_color": LINE,
    "button_cancel_text_color": INK,
}
_SHAPES = {
    "button_primary_background_fill_hover": "*primary_600",
    "button_primary_background_fill_hover_dark": "*primary_200",
    "button_secondary_background_fill_hover": "*neutral_50",
    "button_secondary_background_fill_hover_dark": "*neutral_800",
    "button_secondary_border_color_hover": LIGHT[QUIET],
    "button_secondary_border_color_hover_dark": DARK[QUIET],
    "color_accent": LIGHT[ACCENT],
    # Their check marks are white.
    "checkbox_background_color_selected": "*primary_500",
    "checkbox_background_color_selected_dark": "*primary_400",
    "checkbox_border_color_selected": "*primary_500",
    "checkbox_border_color_selected_dark": "*primary_400",
    "button_border_width": "1px",
    "input_border_width": "1px",
    "block_border_width": "0px",
    "block_label_border_width": "0px",
    "block_title_text_weight": "600",
    "block_padding": "0px",
    "block_shadow": "none",
    "button_large_text_size": "*text_md",
    "button_large_padding": "10px 16px",
    "layout_gap": "16px",
}


def _both_ways() -> dict[str, str]:
    light = {name: LIGHT[role] for name, role in _ROLES.items()}
    return light | {f"{name}_dark": DARK[role] for name, role in _ROLES.items()}


def css() -> str:
    """Everything in `static/*.css`, after the palette as variables `--pm-ground`, `--pm-ink`, ...; for `launch`."""
    names = ("ground", "paper", "ink", "quiet", "line", "accent", "on-accent")

    def variables(colours: tuple[str, ...]) -> str:
        return " ".join(f"--pm-{name}: {colour};" for name, colour in zip(names, colours, strict=True))

    palette = (
        f":root {{ {variables(LIGHT)} --pm-danger: #b3261e; color-scheme: light; }}\n"
        f":root.dark, :root .dark {{ {variables(DARK)} --pm-danger: #f2a49d; color-scheme: dark;"
        f" --color-accent: {DARK[ACCENT]}; }}\n"  # which themes can only set for both
    )
    return palette + "\n".join(file.read_text() for file in sorted(STATIC.glob("*.css")))


def head() -> str:
    """For the head of the page; nothing in it is fetched from anywhere."""
    return (
        f'<link rel="icon" href="{_ICON}">\n<meta name="color-scheme" content="light dark">\n'
        f'<meta name="theme-color" content="{LIGHT[GROUND]}" media="(prefers-color-scheme: light)">\n'
        f'<meta name="theme-color" content="{DARK[GROUND]}" media="(prefers-color-scheme: dark)">'
    )
