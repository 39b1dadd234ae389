"""`pointmap models`: at once, and without torch."""

import subprocess
import sys

CODE = """
import sys
sys.argv = ["pointmap", "models"]
from pointmap.cli.models import models
models()
print("torch" in sys.modules)
"""


def test_the_table_comes_without_importing_torch():
    result = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)

    assert result.returncode == 0, result.stderr
    assert "naver/MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric" in result.stdout
    assert result.stdout.strip().endswith("False")
