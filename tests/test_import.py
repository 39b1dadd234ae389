"""What importing costs: nothing optional comes along, and the command line answers at once."""

import subprocess
import sys

import pytest

BLOCKER = """
import sys
# As if they were not installed, also for those who only ask whether they are.
for name in (
    "PIL", "beartype", "cv2", "gradio", "huggingface_hub", "jaxtyping", "matplotlib", "pillow_heif", "roma", "scipy",
    "skimage", "tqdm", "trimesh", "tyro", "xformers",
):
    sys.modules[name] = None
"""


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_the_package_imports_nothing_heavy():
    loaded = run("import sys, pointmap; print(*{name.partition('.')[0] for name in sys.modules})").split()

    assert not {"torch", "numpy", "scipy", "cv2", "PIL", "tyro", "trimesh"} & set(loaded)


def test_every_public_name_can_be_loaded():
    run("import pointmap; [getattr(pointmap, name) for name in pointmap.__all__]")


def test_an_unknown_name_is_an_attribute_error_that_lists_the_names():
    assert "reconstruct" in run("import pointmap\ntry: pointmap.recon\nexcept AttributeError as e: print(e)")


def test_a_network_and_a_training_step_need_only_torch_numpy_einops_and_safetensors(tmp_path):
    run(
        BLOCKER
        + f"""
import torch
from pointmap.models import Network, PRESETS
network = Network(PRESETS["nano"])
image = torch.rand(1, 3, 48, 64) * 2 - 1
assert network(image, image).points_i.shape == (1, 48, 64, 3)

from pointmap.train.__main__ import main
main(["--output", {str(tmp_path / "run")!r}, "--preset", "nano", "--steps", "1"])
"""
    )


def test_every_module_imports_without_the_optional_packages():
    run(
        BLOCKER
        + """
import importlib, pkgutil, pointmap
for module in pkgutil.walk_packages(pointmap.__path__, "pointmap."):
    if module.name.endswith("__main__") or module.name.startswith(("pointmap.cli", "pointmap.eval", "pointmap.demo")):
        continue
    importlib.import_module(module.name)
"""
    )


def test_loading_a_network_does_not_wake_the_compiler():
    """A random number on the meta device imports all of it: seconds, for weights that are replaced at once."""
    run("import sys, pointmap; pointmap.load_model('small'); assert 'torch._dynamo' not in sys.modules")


def test_functions_stay_functions_whatever_is_imported_after_them():
    """Importing a submodule binds its name in the package: no public name may be the name of a submodule too."""
    run(
        """
import importlib, pkgutil, pointmap
pointmap.align
for module in list(pkgutil.walk_packages(pointmap.__path__, "pointmap.")):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
    package, _, name = module.name.rpartition(".")
    assert name not in getattr(importlib.import_module(package), "__all__", []), module.name
assert callable(pointmap.align)
assert callable(pointmap.alignment.align)
"""
    )


@pytest.mark.parametrize("arguments", [["--help"], ["reconstruct", "--help"]])
def test_help_comes_without_importing_torch(arguments):
    output = run(
        f"""
import sys
sys.argv = ["pointmap", *{arguments!r}]
from pointmap.cli import main
try:
    main()
except SystemExit as exit:
    assert not exit.code, exit.code
print("torch" in sys.modules)
"""
    )

    assert "pointmap" in output or "reconstruct" in output
    assert output.strip().endswith("False")
