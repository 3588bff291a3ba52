import math

import torch

from greenlight.harness import checkpoint
from greenlight.harness.best import BestWeights


def offer(best, step, **values):
    return best.offer(step, values, lambda: {"w": torch.full((2,), float(step))})


def on_disk(folder, metric):
    tree = checkpoint.load(folder / "best" / metric)
    return None if tree is None else (tree["step"], tree["value"], tree["weights"]["w"].tolist())


def test_each_metric_keeps_the_weights_of_its_own_best_step_in_memory_and_on_disk(tmp_path):
    best = BestWeights(tmp_path, {"loss": "minimize", "score": "maximize"})
    assert offer(best, 0, loss=3.0, score=0.1) == ["loss", "score"]
    assert offer(best, 1, loss=2.0, score=0.1) == ["loss"]
    assert offer(best, 2, loss=2.5, score=0.4) == ["score"]
    assert (best.of("loss").step, best.of("score").step) == (1, 2)
    assert on_disk(tmp_path, "loss") == (1, 2.0, [1.0, 1.0])
    assert on_disk(tmp_path, "score") == (2, 0.4, [2.0, 2.0])


def test_a_value_that_is_not_a_number_is_never_the_best_and_an_absent_one_is_left_alone(tmp_path):
    best = BestWeights(tmp_path, {"loss": "minimize"})
    assert offer(best, 0, loss=math.nan) == []
    assert best.of("loss") is None
    offer(best, 1, loss=1.0)
    assert offer(best, 2, loss=-math.inf) == offer(best, 3, loss=math.nan) == offer(best, 4, other=0.0) == []
    assert best.of("loss").step == 1


def test_later_training_does_not_change_what_is_kept(tmp_path):
    weights = torch.zeros(3)
    best = BestWeights(tmp_path, {"loss": "minimize"})
    best.offer(1, {"loss": 1.0}, lambda: {"w": weights})
    weights += 5
    assert best.of("loss").weights["w"].tolist() == [0, 0, 0]


def test_a_resumed_run_forgets_the_best_of_steps_that_it_will_repeat(tmp_path):
    best = BestWeights(tmp_path, {"loss": "minimize"})
    offer(best, 1, loss=2.0)
    saved = best.state_dict()
    offer(best, 2, loss=1.0)
    resumed = BestWeights(tmp_path, {"loss": "minimize"})
    resumed.load_state_dict(saved)
    assert resumed.of("loss").step == 1
    assert on_disk(tmp_path, "loss") == (1, 2.0, [1.0, 1.0])
    assert offer(resumed, 2, loss=1.5) == ["loss"]


def test_what_is_kept_fits_into_a_checkpoint(tmp_path):
    best = BestWeights(tmp_path / "run", {"loss": "minimize"})
    offer(best, 1, loss=2.0)
    checkpoint.save(tmp_path / "c", 1, {"best": best.state_dict()})
    again = BestWeights(tmp_path / "other", {"loss": "minimize"})
    again.load_state_dict(checkpoint.load(tmp_path / "c")["best"])
    assert again.of("loss").weights["w"].tolist() == [1, 1]
