"""Photos from folders, files, zips or memory, upright and in the size that the network sees."""

from pointmap.images.load import LoadedPhotos, SkippedPhoto, iter_views, load_views
from pointmap.images.sizes import WorkingSize, working_size
from pointmap.images.sources import PhotoSource

__all__ = ["LoadedPhotos", "PhotoSource", "SkippedPhoto", "WorkingSize", "iter_views", "load_views", "working_size"]
