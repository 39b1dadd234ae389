import zipfile

import numpy as np
import pytest
from meshes import ball, use_mesh
from PIL import Image
from scenes import make_scene, without_registration

pxr = pytest.importorskip("pxr", reason="needs usd-core: pip install 'pointmap[usd]'")
from pxr import Usd, UsdGeom, UsdShade  # noqa: E402


@pytest.fixture
def package(tmp_path, monkeypatch):
    use_mesh(monkeypatch, ball(textured=True))
    return make_scene(num_photos=1).export(tmp_path / "mesh.usdz")


def errors(path):
    """What the rules of usdchecker say, in the way that the installed version has them."""
    try:
        from pxr import UsdUtils

        checker = UsdUtils.ComplianceChecker(arkit=True)
        checker.CheckCompliance(str(path))
        return [*checker.GetErrors(), *checker.GetFailedChecks(), *checker.GetWarnings()]
    except AttributeError:
        from pxr import UsdValidation

        registry = UsdValidation.ValidationRegistry()
        context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
        return [f"{found.GetName()}: {found.GetMessage()}" for found in context.Validate(Usd.Stage.Open(str(path)))]


@pytest.mark.parametrize("textured", [True, False])
def test_the_checker_of_usd_has_nothing_to_say(tmp_path, monkeypatch, textured):
    use_mesh(monkeypatch, ball(textured=textured))

    assert errors(make_scene(num_photos=1).export(tmp_path / "mesh.usdz", texture=textured)) == []


def test_the_package_is_stored_uncompressed_and_aligned(package):
    with zipfile.ZipFile(package) as archive:
        files = archive.infolist()
        assert files[0].filename.endswith(".usdc")  # the first file is the scene
        assert len(files) == 2
        assert all(file.compress_type == zipfile.ZIP_STORED for file in files)
    content = package.read_bytes()
    for file in files:
        name, extra = np.frombuffer(content[file.header_offset + 26 :][:4], "<u2")
        assert (file.header_offset + 30 + name + extra) % 64 == 0


def test_it_holds_the_mesh_upright_with_its_texture(package):
    mesh = ball(textured=True)
    stage = Usd.Stage.Open(str(package))

    found = UsdGeom.Mesh(stage.GetPrimAtPath("/scene/mesh"))

    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().GetPath() == "/scene"
    np.testing.assert_array_equal(np.array(found.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3), mesh.faces)
    first_cam = mesh.vertices - make_scene(num_photos=1).world_from_cam[0, :3, 3]
    np.testing.assert_allclose(np.array(found.GetPointsAttr().Get()), first_cam * [1, -1, -1], atol=1e-6)
    uv = UsdGeom.PrimvarsAPI(found).GetPrimvar("st").Get()
    np.testing.assert_allclose(np.array(uv), mesh.visual.uv, atol=1e-6)  # both begin at the bottom left
    material, _ = UsdShade.MaterialBindingAPI(found).ComputeBoundMaterial()
    assert material.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"
    with zipfile.ZipFile(package) as archive:
        texture = np.asarray(Image.open(archive.open(archive.namelist()[1]))).astype(int)
    assert np.abs(texture - np.asarray(mesh.visual.material.baseColorTexture)).mean() < 1.5


def test_a_mesh_that_is_there_already_is_written_as_it_is(tmp_path):
    mesh = ball(textured=False, detail=1)

    stage = Usd.Stage.Open(str(make_scene(num_photos=1).export(tmp_path / "mesh.usdz", mesh=mesh)))

    found = UsdGeom.Mesh(stage.GetPrimAtPath("/scene/mesh"))
    assert len(found.GetFaceVertexCountsAttr().Get()) == len(mesh.faces)


def test_nothing_but_the_package_is_left_in_the_folder(package):
    assert list(package.parent.iterdir()) == [package]


def test_an_empty_scene_is_a_valid_package(tmp_path):
    path = without_registration(make_scene(num_photos=1), 0).export(tmp_path / "leer é.usdz")

    assert errors(path) == []
    assert not Usd.Stage.Open(str(path)).GetPrimAtPath("/scene/mesh")
