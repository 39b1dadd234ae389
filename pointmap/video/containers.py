"""Which files are videos. Their first bytes tell: names say anything, and a demuxer that guesses follows playlists."""

from pathlib import Path

_HEAD_BYTES = 1024
_PICTURES_AND_SOUND = frozenset(
    {
        *(b"avif", b"avis", b"crx ", b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx"),
        *(b"M4A ", b"M4B ", b"M4P ", b"mif1", b"msf1"),
    }
)
"""Brands of files that are packed like an MP4 and hold no film."""

_STARTS = {
    b"\x1aE\xdf\xa3": "matroska",  # WebM, too
    b"FLV\x01": "flv",
    b"OggS": "ogg",
    b"\x00\x00\x01\xba": "mpeg",
    b"\x00\x00\x01\xb3": "mpegvideo",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",  # WMV
}


def is_video(path: str | Path) -> bool:
    """Whether a file is packed as a video, by its first bytes; nothing is decoded, and PyAV is not needed.

    Playlists, pictures (HEIC, AVIF, GIF) and sound (M4A, WAV) are none. A video without pictures in it still is one.
    """
    return container_of(path) is not None


def container_of(path: str | Path) -> str | None:
    """FFmpeg's name for how a video is packed; None for anything else, and for what cannot be read."""
    path = Path(path)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        num_bytes = path.stat().st_size
    except (OSError, ValueError):  # ValueError: a path with a null character
        return None
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if any(head[first::step][:3] == b"GGG" for first, step in ((0, 188), (4, 192))):
        return "mpegts"
    return "mov" if _is_quicktime(head, num_bytes) else None


def _is_quicktime(head: bytes, num_bytes: int) -> bool:
    """MP4, MOV, 3GP: boxes, each with its size and four letters of its kind."""
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind == b"ftyp":
        return head[8:12] not in _PICTURES_AND_SOUND
    if kind == b"mdat":
        return True
    # A text may have these words in this place, but no sensible size before them.
    return kind in (b"moov", b"wide", b"free", b"skip", b"pnot") and (size == 1 or 8 <= size <= num_bytes)
