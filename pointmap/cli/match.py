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
    import numpy as np

    from pointmap.atomic import write_bytes
    from pointmap.errors import InputError
    from pointmap.images import load_views
    from pointmap.match import KEYPOINT_SIZE, draw_matches, fundamental
    from pointmap.matchers import load_matcher

    if output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"Cannot write a picture named {output.name!r}. Give a name that ends in .png or .jpg.")
    loaded = load_views([first, second], image_size=KEYPOINT_SIZE, patch_size=2, square_ok=True)
    if loaded.skipped:
        raise InputError(f"Cannot use {loaded.skipped[0].name!r}: {loaded.skipped[0].reason}.")
    images = [view.image for view in loaded.views]
    used = load_matcher(matcher, network=model, device=device)
    found = used.match(*[used.describe(image) for image in images])
    longest = max(max(image.shape[:2]) for image in images)
    agreed = fundamental(found.between(0, 1), max_error_px=max_error * longest)
    inliers = np.zeros(len(found), bool) if agreed is None else agreed.inliers
    picture = draw_matches(images[0], images[1], found, inliers, most=most)
    write_bytes(output, cv2.imencode(output.suffix.lower(), picture[..., ::-1])[1].tobytes())
    print(f"{len(found)} matches, {int(inliers.sum())} of them on one epipolar geometry. Wrote {output}")
