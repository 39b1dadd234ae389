"""Settings that all events of the page share."""

from typing import Any

PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
"""Programs have functions of their own (`api.py`), progress is shown by us, and the line is ours (`work/line.py`)."""
