import time
from dataclasses import replace

import pytest
import torch

from pointmap.train.effects import NAMES, Effect, Effects, apply_effects, augment, plain, write_contact_sheet
from pointmap.train.pairs import PairBatch
from pointmap.train.random import Random

OF_CAMERA = ["distortion", "fringe", "vignette", "dirt", "balance", "saturation", "softness", "sharpening", "jpeg"]
OF_PHOTO = ["defocus", "shake", "exposure", "gamma", "contrast"]


def photos(count: int = 4, size: tuple[int, int] = (40, 56)) -> torch.Tensor:
    """Colour noise that has edges and flat places."""
    coarse = torch.rand(count, 3, size[0] // 8, size[1] // 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=size).clamp(0.1, 0.9)


def only(name: str) -> Effects:
    """One effect at its greatest strength."""
    return Effects.only(name, getattr(Effects(), name).most)


def test_without_effects_photos_stay_as_they_are():
    effected = apply_effects(photos(), Random(0), Effects().scaled(0))

    assert torch.equal(effected.images, photos())
    assert not effected.occluded.any()


@pytest.mark.parametrize("name", NAMES)
def test_each_effect_has_a_switch_and_keeps_the_range(name):
    effected = apply_effects(photos(), Random(0), only(name))

    changed = (effected.images - photos()).abs().flatten(1).amax(dim=1)
    assert (changed > 0.01).all()
    assert effected.images.min() >= 0
    assert effected.images.max() <= 1
    assert effected.occluded.any() == (name == "obstacle")


def test_scaling_makes_effects_rarer_not_weaker():
    half, many = Effects().scaled(0.5), Effects().scaled(100)

    assert half.noise == replace(Effects().noise, share=Effects().noise.share / 2)
    assert many.noise == replace(Effects().noise, share=1.0)


def test_all_effects_together_keep_the_range_and_the_photos_given():
    before = photos(16)
    given = before.clone()

    effected = apply_effects(given, Random(3))

    assert torch.isfinite(effected.images).all()
    assert effected.images.min() >= 0
    assert effected.images.max() <= 1
    assert torch.equal(given, before)


def test_only_opaque_obstacles_hide_the_truth():
    effected = apply_effects(photos(32), Random(0), only("obstacle"))

    change = (effected.images - photos(32)).abs().amax(dim=1)
    assert (change[~effected.occluded] < 0.21).all()  # at most the faint rim
    share = effected.occluded.float().mean(dim=(1, 2))
    assert (share > 0).all()
    assert share.mean() < 0.35


def test_a_share_of_the_photos_gets_the_effect():
    effected = apply_effects(
        photos(400, (16, 16)), Random(0), replace(Effects().scaled(0), vignette=Effect(0.3, 0.5), same_camera=0.0)
    )

    changed = (effected.images != photos(400, (16, 16))).flatten(1).any(dim=1)
    assert changed.float().mean() == pytest.approx(0.3, abs=0.08)


@pytest.mark.parametrize("name", OF_CAMERA)
def test_photos_of_one_camera_share_what_its_lens_and_software_do(name):
    pair = photos(1).expand(2, -1, -1, -1)
    effects = replace(Effects().scaled(0), **{name: replace(getattr(Effects(), name), share=1)}, same_camera=1.0)

    first, second = apply_effects(pair, Random(0), effects).images

    assert torch.equal(first, second)


@pytest.mark.parametrize("name", [*OF_CAMERA, *OF_PHOTO])
def test_photos_of_two_cameras_differ(name):
    pair = photos(1, (160, 224)).expand(2, -1, -1, -1)  # large enough for weak blur to be seen
    effects = replace(Effects().scaled(0), **{name: replace(getattr(Effects(), name), share=1)}, same_camera=0.0)

    first, second = apply_effects(pair, Random(0), effects).images

    assert not torch.equal(first, second)


def test_the_same_seed_gives_the_same_photos():
    one, again, other = (apply_effects(photos(), Random(seed)).images for seed in (0, 0, 1))

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_choosing_photos_or_computing_all_gives_the_same(monkeypatch):
    """On a GPU every effect is computed for all photos and then chosen."""
    import pointmap.train.effects as module

    def everywhere(chosen, images, function, *values):
        return torch.where(chosen[:, None, None, None], function(images, *values), images)

    effects = replace(Effects(), noise=Effect(0, 0))  # noise draws for the photos that it is computed for
    chosen = apply_effects(photos(8), Random(5), effects)
    monkeypatch.setattr(module, "_where", everywhere)
    all_of_them = apply_effects(photos(8), Random(5), effects)

    torch.testing.assert_close(chosen.images, all_of_them.images, atol=2e-3, rtol=0)
    assert torch.equal(chosen.occluded, all_of_them.occluded)


def pairs(count: int) -> PairBatch:
    """The same photo twice in every pair, with depths that nobody hides."""
    images = (photos(1)[0].permute(1, 2, 0) * 255).byte().expand(count, 2, -1, -1, -1)
    eye = torch.eye(4).expand(count, 4, 4)
    depths = torch.full((count, 2, *images.shape[2:4]), 2.0)
    intrinsics = eye[:, None, :3, :3].expand(-1, 2, -1, -1)
    return PairBatch(images, depths, intrinsics, eye, torch.ones(count), torch.zeros(count, dtype=torch.bool))


def test_augmented_photos_stay_in_range_and_differ_from_each_other():
    images, _ = augment(pairs(2), Random(0))

    assert images.shape == (2, 2, 3, 40, 56)
    assert images.min() >= -1
    assert images.max() <= 1
    assert len({tuple(photo.flatten().tolist()) for photo in images.flatten(0, 1)}) == 4


def test_depth_is_unknown_behind_obstacles_and_the_given_pairs_stay():
    given = pairs(3)

    images, seen = augment(given, Random(0), only("obstacle"))

    unknown = seen.depths.isnan()
    assert unknown.any(dim=(2, 3)).all()
    assert torch.equal(seen.depths[~unknown], given.depths[~unknown])
    assert given.depths.isfinite().all()
    clear = plain(given.images[0])
    assert (images[0] - clear).abs().amax(dim=1)[~unknown[0]].max() < 0.45  # at most the faint rim


def test_plain_photos_are_the_pixels_between_minus_one_and_one():
    images = pairs(2).images[:, 0]

    torch.testing.assert_close((plain(images) + 1) * 127.5, images.permute(0, 3, 1, 2).float())


def test_effects_cost_a_fraction_of_a_training_step():
    images, random = photos(16, (80, 112)), Random(0)
    apply_effects(images, random)

    began = time.process_time()
    for _ in range(5):
        apply_effects(images, random)

    assert (time.process_time() - began) / (5 * 8) < 0.015  # seconds a pair; 0.003 on a quiet core


@pytest.mark.gpu
def test_effects_run_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    effects = replace(Effects(), noise=Effect(0, 0))

    effected = apply_effects(photos(8).cuda(), Random(0, "cuda"), effects)
    darker = Effects.only("vignette", 0.5)  # always as strong, so that draws do not matter
    cpu, gpu = (apply_effects(photos(8).to(device), Random(0, device), darker).images for device in ("cpu", "cuda"))

    assert effected.images.is_cuda
    assert effected.occluded.is_cuda
    assert effected.images.isfinite().all()
    torch.testing.assert_close(cpu, gpu.cpu())


def test_the_contact_sheet_shows_every_effect(tmp_path):
    image = pytest.importorskip("PIL.Image")

    write_contact_sheet(photos(1), tmp_path / "new" / "effects.png")

    assert image.open(tmp_path / "new" / "effects.png").size == (2 * 4 * 56, 9 * 40)
