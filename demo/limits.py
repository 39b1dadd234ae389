"""What one visitor may ask of the demo. The page states these numbers before anybody meets them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of a session, unless the name says otherwise."""

    photos: int = 100
    file_megabytes: int = 200
    """Of one uploaded file."""
    session_megabytes: int = 1000
    """Of all photos together, as they lie on disk."""
    megapixels: int = 100
    """Of one photo."""
    video_minutes: float = 10
    run_minutes: float = 30
    """Longer runs are stopped."""
    idle_minutes: float = 60
    """After so long without a sign of life, a session and all its files are removed."""
    linger_seconds: float = 60
    """How long the files of a closed tab stay, in case that it comes back; its run stops at once."""
    sessions: int = 200
    """At the same time, in the whole demo."""
    waiting: int = 50
    """Runs in line, in the whole demo."""

    @property
    def in_words(self) -> str:
        """For people, in one sentence."""
        return (
            f"Up to {self.photos} photos of at most {self.megapixels} megapixels, {self.file_megabytes} MB a file, "
            f"{self.session_megabytes / 1000:g} GB in all; videos up to {self.video_minutes:g} minutes."
        )
