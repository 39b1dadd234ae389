from pointmap.train.held_out import score_baselines
from pointmap.train.settings import TrainSettings


def test_baselines_are_scored_on_the_validation_pairs_of_the_run(tmp_path):
    scores = score_baselines(TrainSettings(tmp_path, preset="tiny", textures=9, validation_pairs=2))

    assert scores.keys() == {"mean pointmap", "identity motion"}
    assert scores["identity motion"].depth_absrel < 1e-3 < scores["mean pointmap"].depth_absrel
