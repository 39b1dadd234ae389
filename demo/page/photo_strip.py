"""The given photos as a strip of thumbnails: ordered, removed and painted over there (`static/photos.js`)."""

from html import escape

from pointmap.demo.visitors.sessions import Session, SessionPhoto

_ICONS = {
    "left": "M15 5l-7 7 7 7",
    "right": "M9 5l7 7-7 7",
    "brush": "M5 19c0-3 1-4 3-4 1.500 0 2.500 1 2.500 2.200 0 2-2 2.800-5.500 1.800zM9.500 14.500L17 4l3.500 3-9.500 9",
    "remove": "M6 6l12 12M18 6L6 18",
}


def strip_as_html(session: Session) -> str:
    """The strip; empty without photos. Addresses are relative, so that it works under any root path."""
    photos = session.photos
    if not photos:
        return ""
    count = "1 photo" if len(photos) == 1 else f"{len(photos)} photos"
    items = "".join(_item(session, photo, place, len(photos)) for place, photo in enumerate(photos))
    return (
        f'<div class="pm-head"><h2>{count}</h2>'
        '<button type="button" class="pm-plain" data-do="clear">Remove all</button></div>'
        f'<ol class="pm-photos" aria-label="Photos, in their order">{items}</ol>'
        '<p class="pm-unseen" aria-live="polite"></p>'
    )


def _item(session: Session, photo: SessionPhoto, place: int, count: int) -> str:
    name, key = escape(photo.name), escape(photo.key)
    address = f"scenes/{escape(session.token)}/photos/{key}.jpg"
    painted = bool(photo.strokes)
    mark = '<span class="pm-mark">Parts left out</span>' if painted else ""
    buttons = "".join(
        _button(do, label, disabled)
        for do, label, disabled in (
            ("left", f"Move {name} forward", place == 0),
            ("right", f"Move {name} back", place == count - 1),
            ("brush", f"Leave out parts of {name}", False),
            ("remove", f"Remove {name}", False),
        )
    )
    return (
        f'<li class="pm-photo" draggable="true" data-key="{key}" data-address="{address}" data-name="{name}"'
        f' data-width="{photo.size[0]}" data-height="{photo.size[1]}"{" data-painted" if painted else ""}>'
        f'<div class="pm-thumb"><img src="{address}?size=320" alt="{name}" title="{name}"'
        ' draggable="false" loading="lazy">'
        f'<span class="pm-number" aria-hidden="true">{place + 1}</span>{mark}</div>'
        f'<div class="pm-tools">{buttons}</div></li>'
    )


def _button(do: str, label: str, disabled: bool) -> str:
    """`label` is escaped already."""
    return (
        f'<button type="button" data-do="{do}" aria-label="{label}" title="{label}"{" disabled" if disabled else ""}>'
        f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{_ICONS[do]}"/></svg></button>'
    )
