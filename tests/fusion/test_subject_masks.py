from dataclasses import replace

from object_scenes import bowl_scene

from pointmap.fusion.subject import subject_masks


def test_what_stands_on_the_floor_where_all_cameras_look_is_the_subject():
    scene, true = bowl_scene(floor=True)

    found = subject_masks(scene)

    assert found.found
    assert "stands on a plane" in found.reason
    overlaps = [(a & b).sum() / (a | b).sum() for a, b in zip(found.masks, true, strict=True)]
    assert min(overlaps) > 0.75


def test_what_hangs_in_the_air_is_the_subject_too():
    scene, true = bowl_scene()

    found = subject_masks(scene)

    assert found.found
    overlaps = [(a & b).sum() / (a | b).sum() for a, b in zip(found.masks, true, strict=True)]
    assert min(overlaps) > 0.75


def test_cameras_that_look_away_from_each_other_have_no_subject():
    scene, _ = bowl_scene(photos=6)
    poses = scene.world_from_cam.copy()
    poses[:, :3, [0, 2]] *= -1  # turned about

    found = subject_masks(replace(scene, world_from_cam=poses))

    assert not found.found
    assert all(mask.all() for mask in found.masks)


def test_two_photos_tell_no_subject():
    scene, _ = bowl_scene(photos=2)

    assert not subject_masks(scene).found
