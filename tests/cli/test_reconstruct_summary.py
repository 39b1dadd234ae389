"""What `pointmap reconstruct` says at the end."""

from pointmap.cli.reconstruct import _left_out, _object_lines, _pose_lines


def test_photos_that_nothing_ties_are_called_a_guess():
    photos = {
        "a.jpg": {"source": "network", "tied": True},
        "b.jpg": {"source": "network", "tied": False},
        "c.jpg": {"source": None, "tied": False},
    }
    said = _pose_lines({"source": "network", "why": "asked for", "photos": photos}, without_network=False)

    assert said[0] == "Cameras by the network and keypoints (asked for)."
    assert said[1].endswith("their place is a guess: b.jpg")


def test_an_object_is_told_with_its_orbit():
    masks = {"way": "static background", "reason": "it does not change"}

    open_orbit = _object_lines({"masks": masks, "orbit": {"turn_deg": -180.2, "closed": False}})
    assert open_orbit[0] == "Masks: static background (it does not change)."
    assert "180 degrees" in open_orbit[1]
    assert "do not come back" in open_orbit[1]
    assert len(_object_lines({"masks": masks, "orbit": {}})) == 1


def test_of_many_pairs_that_contradict_the_others_a_few_are_listed():
    pairs = [f"{a} and z.jpg: contradicts the others (scale off by a factor of 2); it counts 9 %." for a in "abcde"]

    said = _left_out(["y.jpg: no prediction shows it", *pairs])

    assert said == ["y.jpg: no prediction shows it", *pairs[:3], "So do 2 more; report.json names them."]
    assert _left_out(pairs[:3]) == pairs[:3]
