"""The Khronos validator of glTF files (npm gltf-validator), where Node and the package are installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = """
const validator = require(process.argv[1]);
const file = require("fs").readFileSync(process.argv[2]);
validator.validateBytes(new Uint8Array(file)).then(report => console.log(JSON.stringify(report)));
"""


def gltf_report(path: Path) -> dict[str, Any]:
    """What the validator says of a file; the test is skipped where there is no validator."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js for the Khronos glTF validator")
    folders = [folder for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    folders += [str(base / "node_modules") for base in (Path(sys.prefix), Path.cwd(), Path.home())]
    module = next(
        (Path(folder, "gltf-validator") for folder in folders if Path(folder, "gltf-validator").is_dir()), None
    )
    if module is None:
        pytest.skip(f"needs the Khronos glTF validator: npm install --prefix '{sys.prefix}' gltf-validator")
    command = ["node", "-e", _SCRIPT, str(module.resolve()), str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


def assert_valid_gltf(path: Path, *, infos: tuple[str, ...] = ()) -> None:
    """Not one error, warning or hint, and no information but those named."""
    messages = gltf_report(path)["issues"]["messages"]
    assert [message for message in messages if message["code"] not in infos] == []
