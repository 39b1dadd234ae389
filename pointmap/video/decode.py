"""From a video file to its pictures with their times, upright, and nothing else that the file may ask for."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np

from pointmap.errors import InputError
from pointmap.extras import require
from pointmap.shapes import UInt8
from pointmap.video.containers import container_of

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_PIXELS = 8192 * 8192
"""Of one picture; more is refused, since a few bytes can claim any size."""

_DECODERS = frozenset(
    {
        *("h264", "hevc", "vvc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "theora"),
        *("mpeg1video", "mpeg2video", "mpeg4", "h263", "h263i", "h263p", "flv", "mjpeg", "msmpeg4v1", "msmpeg4v2"),
        *("msmpeg4", "wmv1", "wmv2", "wmv3", "vc1", "dvvideo", "prores", "dnxhd", "cfhd", "apv", "ffv1"),
        *("huffyuv", "ffvhuff", "rawvideo", "png"),
    }
)
"""What cameras, phones and editors write. FFmpeg has hundreds more, rarely used and rarely checked."""

_STREAMS_COME_LATER = frozenset({"flv", "mpeg", "mpegts"})
"""What is in them, only their packets say. PyAV before 17.1 crashes over options for streams that it does not see."""

_MAX_THREADS = 4
_BUFFER_BYTES = 1 << 18
_UNSPECIFIED, _BT709 = 2, 1  # Colour matrices: of a frame that does not say, and SWS_CS_ITU709
_HD_HEIGHT = 720


@dataclass(frozen=True)
class Frame:
    """One decoded picture."""

    seconds: float
    """Since the first one; strictly increasing."""

    picture: "av.VideoFrame"
    """As stored, that is neither turned upright nor of square pixels."""

    pixel_ratio: float = 1.0
    """Width of a stored pixel by its height."""


class _Reader:
    """A file for FFmpeg. Damaged ones ask for places that cannot be; those get an error number, no exception."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL


class Video:
    """An open video; see `opened`."""

    def __init__(self, name: str, file: BinaryIO, container: "InputContainer", stream: "VideoStream") -> None:
        self.name = name
        self._file = file
        self._container = container
        self._stream = stream
        self._num_bytes = max(1, os.fstat(file.fileno()).st_size)

    @property
    def claimed_seconds(self) -> float | None:
        """How long it says it is; a damaged or streamed one may not know, or be wrong."""
        stream, container = self._stream, self._container
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return container.duration / 1e6 if container.duration else None

    @property
    def share_read(self) -> float:
        """How much of the file was read so far, 0 to 1."""
        return min(1.0, self._file.tell() / self._num_bytes)

    def frames(self) -> Iterator[Frame]:
        """All pictures in the order of showing. What is damaged is left out; a file that breaks off ends there."""
        usual_step = 1 / float(self._stream.average_rate or 30)
        ratio = self._pixel_ratio()
        seconds = 0.0
        last: float | None = None
        for picture in self._pictures():
            stamp = picture.time
            if stamp is None:
                stamp = 0.0 if last is None else last + usual_step
            if last is not None:
                # Joined recordings begin their clock anew.
                seconds += stamp - last if stamp > last else usual_step
            last = stamp
            yield Frame(seconds, picture, ratio)

    def _pixel_ratio(self) -> float:
        ratio = float(self._stream.sample_aspect_ratio or 1)
        return ratio if 0.1 < ratio < 10 else 1.0

    def _pictures(self) -> Iterator["av.VideoFrame"]:
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # the file breaks off
                packet = None
            if packet is None:
                return
            if packet.is_corrupt:
                continue
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                continue
            for picture in pictures:
                if not picture.is_corrupt:
                    yield picture


@contextmanager
def opened(path: str | Path) -> Iterator[Video]:
    """Open a video. Only this file is read, whatever it refers to.

    Raises:
        InputError: It is no video, has no pictures, claims too large ones, or PyAV is missing.
    """
    path = Path(path)
    name = path.name
    kind = container_of(path)
    if kind is None:
        if not path.is_file():
            raise InputError(f"There is no file {str(path)!r}; check the spelling.")
        raise InputError(
            f"{name!r} is not a video. MP4, MOV, MKV, WebM, AVI, MPEG, 3GP, OGV, FLV and WMV files can be read."
        )
    require("av", extra="video", purpose="Reading videos")
    import av

    probing = {} if kind in _STREAMS_COME_LATER else {"max_pixels": str(MAX_PIXELS)}
    with path.open("rb") as file:
        try:
            # An open file instead of a name: there are no protocols that a name could begin with.
            with av.open(
                _Reader(file),
                "r",
                format=kind,
                options=probing,
                container_options={"codec_whitelist": ",".join(_DECODERS), "protocol_whitelist": "none"},
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                io_open=_refuse_other_files,
            ) as container:
                yield Video(name, file, container, _pictures_of(container, name))
        except av.FFmpegError as error:
            raise InputError(
                f"{name!r} cannot be read as a video ({error.strerror or error}). It may be cut off or damaged: "
                "copy it again, or save it anew with a video editor."
            ) from error


def _pictures_of(container: "InputContainer", name: str) -> "VideoStream":
    """The stream to decode, set up."""
    films = [stream for stream in container.streams.video if "attached_pic" not in str(stream.disposition)]
    if not films:
        raise InputError(f"{name!r} holds sound but no pictures. Give a video with pictures.")
    best = container.streams.best("video")
    stream: VideoStream = next((film for film in films if best is not None and film.index == best.index), films[0])
    decoder = stream.codec_context
    if decoder is None or decoder.name not in _DECODERS:
        what = "an unknown codec" if decoder is None else f"the codec {decoder.name!r}"
        raise InputError(f"{name!r} is packed with {what}, which is not read here. Save it as MP4 with H.264.")
    if not 0 < decoder.width * decoder.height <= MAX_PIXELS:  # FFmpeg says 0 of some that are too large
        raise InputError(
            f"The pictures of {name!r} are larger than the {MAX_PIXELS / 1e6:.0f} megapixels that can be read, or of "
            "no size at all. Save it smaller, such as 3840 x 2160."
        )
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    decoder.thread_type = "AUTO"
    decoder.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
    return stream


def _refuse_other_files(address: str, flags: int, options: dict[str, Any]) -> NoReturn:
    raise InputError("The video refers to other files, which are not opened. Save it as one file.")


def upright(frame: Frame) -> UInt8[np.ndarray, "h w 3"]:
    """The picture as it is to be shown, BGR: turned and mirrored as the file says, with square pixels."""
    picture, ratio = frame.picture, frame.pixel_ratio
    matrix = _BT709 if picture.colorspace == _UNSPECIFIED and picture.height >= _HD_HEIGHT else None
    bgr = picture.reformat(
        width=round(picture.width * max(1.0, ratio)),  # the shorter direction is stretched
        height=round(picture.height * max(1.0, 1 / ratio)),
        format="bgr24",
        src_colorspace=matrix,
        interpolation="BICUBIC",
    )
    return np.ascontiguousarray(_turned(bgr.to_ndarray(), _display_matrix(picture)))


def _display_matrix(picture: "av.VideoFrame") -> np.ndarray:
    """(2, 2): [x y] as stored times this is [x y] as shown, but for an offset."""
    side_data: Any = picture.side_data  # PyAV's own annotation of it is wrong
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(data), np.int32, count=9).reshape(3, 3)[:2, :2]
    return np.eye(2)


def _turned(image: np.ndarray, shown_from_stored: np.ndarray) -> np.ndarray:
    (a, b), (c, d) = shown_from_stored
    if abs(b) > abs(a):
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
