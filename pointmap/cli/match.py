"""`pointmap match`: a picture of what two photos share."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg


def match(
    first: Positional[Path],
    second: Positional[Path],
    output: Annotated[Path, arg(aliases=["-o"])] = Path("matches.png"),
    matcher: str = "sift",
    model: str = "small",
    device: str | None = None,
    max_error: float = 0.0015,
    most: int = 200,
) -> None:
    """Match two photos, check the matches against each other, and draw them side by side.

    Matches that agree on one epipolar geometry are green, the others red.

    Args:
        first: A photo.
        second: Another one of the same place or object.
        output: The picture to write (.png or .jpg).
        matcher: sift, pointmap, tokens, descriptors, superglue or lightglue; or the hub name or folder of a SuperGlue
            or LightGlue network.
        model: Network of the matchers that need one: a bundled name, hub id, folder or file.
        device: cpu or cuda; default cuda where there is one.
        max_error: How far a match may lie from its epipolar line, as a share of the photos' long side.
        most: Lines drawn at most, evenly over the photo.
    """
    import cv2

    from pointmap.atomic import write_bytes
    from pointmap.errors import InputError
    from pointmap.matchers import load_matcher, match_two_photos

    if output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"Cannot write a picture named {output.name!r}. Give a name that ends in .png or .jpg.")
    used = load_matcher(matcher, network=model, device=device)
    found = match_two_photos(first, second, used, max_error=max_error, most=most)
    write_bytes(output, cv2.imencode(output.suffix.lower(), found.picture[..., ::-1])[1].tobytes())
    print(f"{found.count} matches, {found.agreed} of them on one epipolar geometry. Wrote {output}")
