"""Results that were computed before: an interrupted benchmark goes on where it was."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pointmap.atomic import write_bytes
from pointmap.export.plain_json import json_bytes


class Store:
    """One JSON file per result in a folder, named by what it is and by a digest of what it depends on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(
        self,
        name: str,
        depends_on: Any,
        compute: Callable[[], Any],
        *,
        keep: Callable[[Any], bool] = bool,
        again: bool = False,
    ) -> Any:
        """The stored result, or a fresh one, as plain JSON values (null for NaN).

        Args:
            depends_on: Plain values; another result is computed when they change.
            keep: Whether a fresh result is worth keeping; the others are computed again the next time.
            again: Compute it in any case.
        """
        digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()[:12]
        path = self.folder / f"{name}-{digest}.json"
        if not again:
            with suppress(OSError, ValueError):
                return json.loads(path.read_bytes())
        content = json_bytes(compute())
        value = json.loads(content)
        if keep(value):
            write_bytes(path, content)
        return value
