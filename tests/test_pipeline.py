"""The whole road, on photos of a known scene and a network whose predictions are chosen."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import make_scene

import pointmap
from pointmap import pipeline
from pointmap.checkpoints import save_model
from pointmap.errors import Cancelled, InputError
from pointmap.models import PRESETS, Network
from pointmap.scene import PairPrediction


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with four photos of the test room, one of them portrait."""
    folder = tmp_path_factory.mktemp("photos with spaces é")
    for name, color in zip(
        *[getattr(make_scene(scale=2, num_photos=4), key) for key in ("names", "colors")], strict=True
    ):
        Image.fromarray(color).save(folder / name, quality=95)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    return save_model(Network(PRESETS["nano"]), tmp_path_factory.mktemp("weights") / "nano")


class Oracle(Network):
    """Knows the test room: predicts each pair's true points, at a scale of its own unless it is metric."""

    def __init__(self, *, metric: bool = False) -> None:
        super().__init__(replace(PRESETS["nano"], match_dim=0, metric=metric))
        self.scene = make_scene(scale=2, num_photos=4)

    def decode(self, encoding_i, encoding_j, similarity=None):
        points = [self._points(encoding_i, encoding_j, side) for side in (encoding_i, encoding_j)]
        confidences = [torch.full(maps.shape[:3], 3.0) for maps in points]
        return PairPrediction(*points, *confidences)

    def encode(self, image):
        encoding = super().encode(image)
        shown = ((image[0] + 1) * 127.5).round().permute(1, 2, 0).byte().numpy().astype(float)
        distance = [
            np.abs(shown - color).mean() if color.shape == shown.shape else np.inf for color in self.scene.colors
        ]
        return replace(encoding, tokens=torch.full((1, 1, 1), float(np.argmin(distance))))

    def _points(self, encoding_i, encoding_j, side):
        maps = []
        for i, j, view in zip(encoding_i.tokens, encoding_j.tokens, side.tokens, strict=True):
            first, shown = int(i.item()), int(view.item())
            i_from_world = np.linalg.inv(self.scene.world_from_cam[first])
            points = self.scene.pointmaps[shown] @ i_from_world[:3, :3].T + i_from_world[:3, 3]
            maps.append(
                torch.tensor(points * (1 if self.config.metric else 1 + 0.1 * int(j.item())), dtype=torch.float32)
            )
        return torch.stack(maps)


def test_true_predictions_give_the_true_scene(photos):
    truth = make_scene(scale=2, num_photos=4)

    # The photos are stored in working size, and their principal points are off the middle.
    scene = pointmap.reconstruct(
        photos, model=Oracle(), image_size=64, intrinsics=list(truth.working_intrinsics), progress=False
    )

    assert scene.names == truth.names
    assert scene.registered.all()
    np.testing.assert_allclose(scene.world_from_cam[0], np.eye(4), atol=1e-6)
    first_from_cam = np.linalg.inv(truth.world_from_cam[0]) @ truth.world_from_cam
    scale = np.linalg.norm(scene.world_from_cam[2, :3, 3]) / np.linalg.norm(first_from_cam[2, :3, 3])
    np.testing.assert_allclose(scene.world_from_cam[:, :3, :3], first_from_cam[:, :3, :3], atol=0.02)
    np.testing.assert_allclose(scene.world_from_cam[:, :3, 3], scale * first_from_cam[:, :3, 3], atol=0.05 * scale)
    for index in range(4):
        assert scene.depths[index].shape == truth.depths[index].shape
        ratio = scene.depths[index] / truth.depths[index] / scale
        assert abs(np.median(ratio) - 1) < 0.03
    assert scene.paths[1] == photos / truth.names[1]
    assert scene.report["pairs"] == 12
    assert json.dumps(scene.report, allow_nan=False)


def test_one_photo_and_two_photos_work(photos, weights):
    files = sorted(photos.iterdir())

    one = pointmap.reconstruct([files[0]], model=weights, progress=False)
    two = pointmap.reconstruct(files[:2], model=weights, progress=False)

    assert len(one) == 1
    assert one.registered.all()
    assert len(two) == 2


def test_the_scene_tells_where_the_network_sees_sky(photos, weights, tmp_path):
    scene = pointmap.reconstruct(photos, model=weights, refine="none", depth="network", progress=False)
    silent = pointmap.reconstruct(photos, model=Oracle(), image_size=64, progress=False)

    assert [sky.shape for sky in scene.sky] == [depth.shape for depth in scene.depths]
    assert all(sky.min() >= 0 and sky.max() <= 1 and np.ptp(sky) > 0 for sky in scene.sky)
    np.testing.assert_array_equal(pointmap.Scene.load(scene.save(tmp_path / "scene.npz")).sky[1], scene.sky[1])
    assert silent.sky is None


def test_known_cameras_are_kept(photos):
    truth = make_scene(scale=2, num_photos=4)

    scene = pointmap.reconstruct(
        photos,
        model=Oracle(),
        image_size=64,
        intrinsics=[*truth.working_intrinsics[:3], None],
        world_from_cam=list(truth.world_from_cam),
        progress=False,
    )

    np.testing.assert_allclose(scene.intrinsics[:3], truth.working_intrinsics[:3], rtol=1e-5)
    np.testing.assert_allclose(scene.world_from_cam, truth.world_from_cam, atol=1e-4)
    assert abs(np.median(scene.depths[2] / truth.depths[2]) - 1) < 0.02


def test_stereo_is_left_out_for_tiny_photos_unless_asked_for(photos):
    truth = make_scene(scale=2, num_photos=4)
    cameras = {"intrinsics": list(truth.working_intrinsics), "world_from_cam": list(truth.world_from_cam)}
    settings = {"model": Oracle(), "image_size": 64, "progress": False, **cameras}

    default = pointmap.reconstruct(photos, **settings)
    asked = pointmap.reconstruct(photos, depth="stereo", **settings)

    assert default.report["depth"] == "network"
    assert asked.report["depth"] == "stereo"
    assert asked.report["seconds"]["stereo"] > 0
    assert not np.array_equal(asked.depths[2], default.depths[2])
    assert abs(np.median(asked.depths[2] / truth.depths[2]) - 1) < 0.05
    with pytest.raises(InputError, match="'stereo'"):
        pointmap.reconstruct(photos, depth="lidar", **settings)


def test_what_a_mask_leaves_out_takes_no_part(photos):
    truth = make_scene(scale=2, num_photos=4)
    masks = [None] * 4
    masks[1] = np.zeros(truth.colors[1].shape[:2], np.uint8)
    masks[1][:, :40] = 255
    oracle = Oracle()
    points = oracle._points

    def wrong_on_the_right(encoding_i, encoding_j, side):
        maps = points(encoding_i, encoding_j, side)
        for index, view in enumerate(side.tokens):
            if int(view.item()) == 1:
                maps[index, :, 40:] *= 3
        return maps

    oracle._points = wrong_on_the_right
    cameras = {"intrinsics": list(truth.working_intrinsics), "world_from_cam": list(truth.world_from_cam)}

    scene = pointmap.reconstruct(photos, model=oracle, image_size=64, masks=masks, progress=False, **cameras)

    assert (scene.depths[1][:, 40:] == 0).all()
    assert abs(np.median(scene.depths[1][:, :40] / truth.depths[1][:, :40]) - 1) < 0.01


def test_a_mask_of_another_size_is_refused(photos, weights):
    with pytest.raises(InputError, match=r"shape \(2, 3\)"):
        pointmap.reconstruct(photos, model=weights, masks=[np.ones((2, 3)), None, None, None], progress=False)


def test_known_depths_distances_and_gravity_settle_the_world(photos, tmp_path):
    truth = make_scene(scale=2, num_photos=4)
    cameras = {"intrinsics": list(truth.working_intrinsics)}
    settings = {"model": Oracle(), "image_size": 64, "progress": False, **cameras}
    down = [0.2, 1.0, 0.1] @ truth.world_from_cam[2, :3, :3] / np.linalg.norm([0.2, 1.0, 0.1])
    apart = float(np.linalg.norm(truth.world_from_cam[0, :3, 3] - truth.world_from_cam[3, :3, 3]))
    np.save(tmp_path / f"{truth.names[1].removesuffix('.jpg')}.npy", 8 * truth.depths[1])

    by_depth = pointmap.reconstruct(photos, depths=tmp_path, **settings)
    by_soft_depth = pointmap.reconstruct(photos, depths=pointmap.Soft(tmp_path, 0.02), **settings)
    by_distance = pointmap.reconstruct(
        photos, distances=[pointmap.KnownDistance(0, 3, length=8 * apart)], gravity=[None, None, down, None], **settings
    )

    np.testing.assert_array_equal(by_depth.depths[1], (8 * truth.depths[1]).astype(np.float32))
    for scene in (by_depth, by_soft_depth, by_distance):
        for index in range(4):
            assert abs(np.median(scene.depths[index] / truth.depths[index]) / 8 - 1) < 0.03
    np.testing.assert_allclose(by_distance.world_from_cam[2, :3, :3] @ down, [0, 1, 0], atol=1e-6)
    between = by_distance.world_from_cam[0, :3, 3] - by_distance.world_from_cam[3, :3, 3]
    assert np.linalg.norm(between) == pytest.approx(8 * apart, rel=1e-6)
    assert by_distance.report["dropped"] == []


def test_a_distance_between_pixels_is_one_of_the_original_photos(photos, tmp_path):
    truth = make_scene(scale=2, num_photos=4)
    for name, color in zip(truth.names, truth.colors, strict=True):
        Image.fromarray(color).resize((2 * color.shape[1], 2 * color.shape[0])).save(tmp_path / name, quality=95)
    known = pointmap.KnownDistance((0, 21, 31), (1, 60.5, 40.25), length=3.0)

    scene = pointmap.reconstruct(tmp_path, model=Oracle(), image_size=64, distances=[known], progress=False)

    ends = []
    for photo, x, y in (known.a, known.b):
        u, v = (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5
        ray = np.linalg.inv(scene.intrinsics[photo]) @ [x, y, 1]
        point = scene.depths[photo][round(v), round(u)] * ray
        ends.append(scene.world_from_cam[photo, :3, :3] @ point + scene.world_from_cam[photo, :3, 3])
    assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(3.0, rel=1e-5)
    with pytest.raises(InputError, match="number of a photo"):
        pointmap.reconstruct(
            tmp_path,
            model=Oracle(),
            image_size=64,
            distances=[pointmap.KnownDistance(0, 9, length=3.0)],
            progress=False,
        )


def test_soft_positions_move_the_scene_to_where_they_are(photos):
    truth = make_scene(scale=2, num_photos=4)
    positions = [np.block([[np.eye(3), pose[:3, 3:]], [np.eye(4)[3:]]]) for pose in truth.world_from_cam]

    scene = pointmap.reconstruct(
        photos,
        model=Oracle(),
        image_size=64,
        intrinsics=[pointmap.Soft(K, 0.01) for K in truth.working_intrinsics],
        world_from_cam=[pointmap.Soft(pose, (np.inf, 0.05)) for pose in positions],
        progress=False,
    )

    np.testing.assert_allclose(scene.world_from_cam, truth.world_from_cam, atol=0.05)
    np.testing.assert_allclose(scene.intrinsics[:, 0, 0], truth.working_intrinsics[:, 0, 0], rtol=0.02)


def test_the_focal_length_in_exif_is_taken_as_known(photos, weights, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 35  # millimetres on 35 mm film, whose diagonal is 43.27 mm
    with Image.open(sorted(photos.iterdir())[0]) as image:
        image.save(tmp_path / "a.jpg", exif=exif)

    scene = pointmap.reconstruct([tmp_path / "a.jpg"], model=weights, progress=False)

    assert scene.intrinsics[0, 0, 0] == pytest.approx(35 / 43.27 * np.hypot(64, 48), rel=1e-3)
    assert scene.report["focal_from_exif"] == ["a.jpg"]


def test_priors_of_another_number_of_photos_are_refused(photos, weights):
    with pytest.raises(InputError, match="2 entries for 4 photos"):
        pointmap.reconstruct(photos, model=weights, intrinsics=[None, None], progress=False)


def test_unreadable_photos_are_left_out_and_reported(photos, weights, tmp_path):
    files = sorted(photos.iterdir())[:2]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")

    scene = pointmap.reconstruct([files[0], tmp_path / "broken.jpg", files[1]], model=weights, progress=False)

    assert len(scene) == 2
    assert [photo["name"] for photo in scene.report["skipped"]] == ["broken.jpg"]


def test_a_photo_that_nothing_ties_to_the_rest_is_named(photos):
    class Blind(Oracle):
        def decode(self, encoding_i, encoding_j, similarity=None):
            prediction = super().decode(encoding_i, encoding_j)
            for encoding, points in ((encoding_i, prediction.points_i), (encoding_j, prediction.points_j)):
                points[encoding.tokens.flatten() == 3] = torch.nan
            return prediction

    scene = pointmap.reconstruct(photos, model=Blind(), image_size=64, progress=False)

    assert scene.registered.tolist() == [True, True, True, False]
    assert scene.report["not_registered"] == ["photo 3.jpg"]
    assert any(line.startswith("photo 3.jpg") for line in scene.report["dropped"])


def test_a_metric_network_gives_metres_unless_something_known_has_another_unit(photos):
    truth = make_scene(scale=2, num_photos=4)
    settings = {"image_size": 64, "intrinsics": list(truth.working_intrinsics), "progress": False}

    scene = pointmap.reconstruct(photos, model=Oracle(metric=True), **settings)
    told = pointmap.reconstruct(
        photos, model=Oracle(metric=True), distances=[pointmap.KnownDistance(0, 1, 100.0)], **settings
    )

    assert scene.metric
    assert list(scene.report["residuals"]) == list(scene.names)
    assert max(scene.report["residuals"].values()) < 0.01
    assert np.median(scene.depths[0] / truth.depths[0]) == pytest.approx(1, rel=0.01)
    assert not told.metric
    assert np.linalg.norm(told.world_from_cam[0, :3, 3] - told.world_from_cam[1, :3, 3]) == pytest.approx(100, rel=1e-6)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("View 2: too few of 34 pixels", "c: too few of 34 pixels"),
        ("Views 0, 3: not tied", "a, d: not tied"),
        ("Pair of views 3 and 1 (group 12): contradicts", "Pair of d and b: contradicts"),
        ("Group 5 (views 0, 1 and 4 more): contradicts", "Group 5 (views a, b and 4 more): contradicts"),
        ("The 2 poses differ", "The 2 poses differ"),
    ],
)
def test_photos_are_named_where_the_aligner_has_numbers(line, named):
    assert pipeline.with_names(line, ["a", "b", "c", "d"]) == named


def test_the_callback_sees_every_stage_and_can_cancel_each(photos, weights):
    stages = []
    pointmap.reconstruct(photos, model=weights, progress=lambda stage, *_: stages.append(stage))
    seen = [stage for stage in dict.fromkeys(stages) if stage != "adjust"]  # only where matches agree on poses
    assert seen == ["load", "predict", "keypoints", "match", "align", "done"]

    for stage in ("load", "predict", "match", "keypoints", "align"):

        def cancel(now, done, total, scene, stage=stage):
            if now == stage:
                raise Cancelled

        with pytest.raises(Cancelled):
            pointmap.reconstruct(photos, model=weights, progress=cancel)


def run(*arguments, **options):
    command = [sys.executable, "-m", "pointmap", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_the_command_writes_everything_it_says(photos, weights, tmp_path):
    result = run("reconstruct", photos, "-o", tmp_path / "scene", "--model", weights)

    assert result.returncode == 0, result.stderr
    assert "Registered" in result.stdout
    written = {path.name for path in (tmp_path / "scene").iterdir()}
    files = "scene.glb scene.html mesh.glb points.ply cameras.json depth scene.npz preview.png report.json"
    assert written == set(files.split())
    assert len(pointmap.Scene.load(tmp_path / "scene" / "scene.npz")) == 4
    assert len(json.loads((tmp_path / "scene" / "cameras.json").read_text())["images"]) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere/"], "nowhere"),
        (["EMPTY"], "no photos"),
        (["BROKEN"], "broken.jpg"),
        (["PHOTOS", "--pairs", "zigzag"], "zigzag"),
        (["PHOTOS", "--masks", "nowhere/"], "nowhere"),
        (["PHOTOS", "--depth-sigma", "0.1"], "--depths"),
        (["PHOTOS", "--model", "nowhere/at-all.pth"], "at-all.pth"),
        (["PHOTOS", "-o", "FILE"], "FILE"),
        ([], "photos"),
    ],
)
def test_mistakes_cost_one_clear_line_and_exit_code_2(arguments, said, photos, weights, tmp_path):
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "BROKEN").mkdir()
    (tmp_path / "BROKEN" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (tmp_path / "FILE").touch()
    arguments = [photos if word == "PHOTOS" else word for word in arguments]
    if "--model" not in arguments:
        arguments = [*arguments, "--model", weights]

    result = run("reconstruct", *arguments, cwd=tmp_path)

    assert result.returncode == 2
    assert said.lower() in result.stderr.lower()
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("stage", ["load", "predict", "align", "write files"])
def test_ctrl_c_in_any_stage_leaves_no_half_written_file(stage, photos, weights, tmp_path):
    out = tmp_path / "scene"
    # The bar of the stage is where the signal comes from, so that it arrives within it.
    interrupt = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background inherits that it is ignored
import pointmap.progress
class Bar(pointmap.progress.ProgressBar):
    def __call__(self, stage, done, total):
        if stage == {stage!r} and done >= 1:
            os.kill(os.getpid(), signal.SIGINT)
pointmap.progress.ProgressBar = Bar
import pointmap.pipeline
pointmap.pipeline.ProgressBar = Bar
sys.argv = ["pointmap", "reconstruct", {str(photos)!r}, "-o", {str(out)!r}, "--model", {str(weights)!r}]
from pointmap.cli import main
main()
"""
    result = subprocess.run([sys.executable, "-c", interrupt], capture_output=True, text=True, timeout=120)

    assert result.returncode == 130, result.stderr
    assert "interrupted" in result.stderr
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".")]
    for path in files:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            load_file(path)
    if stage in ("align", "write files"):
        assert len(list((out / "cache").glob("*.safetensors"))) == 12

    if stage != "predict":
        return
    again = run("reconstruct", photos, "-o", out, "--model", weights)
    assert again.returncode == 0, again.stderr
    assert not (out / "cache").exists()
