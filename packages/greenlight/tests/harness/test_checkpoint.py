import math

import pytest
import torch

from greenlight.errors import GreenlightError
from greenlight.harness import checkpoint


def trained_optimizer():
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-2, betas=(0.9, 0.98))
    for _ in range(3):
        layer(torch.randn(4, 3)).square().mean().backward()
        optimizer.step()
    return layer, optimizer


def test_an_optimizer_comes_back_bit_for_bit(tmp_path):
    layer, optimizer = trained_optimizer()
    rng = torch.get_rng_state()
    checkpoint.save(tmp_path, 3, {"layer": layer.state_dict(), "optimizer": optimizer.state_dict(), "rng": rng})
    tree = checkpoint.load(tmp_path)
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(tree["layer"])
    restored = torch.optim.AdamW(twin.parameters(), lr=1.0)
    restored.load_state_dict(tree["optimizer"])
    torch.set_rng_state(tree["rng"])
    first = torch.randn(4, 3)
    for model, optim in ((layer, optimizer), (twin, restored)):
        model.zero_grad()
        model(first).square().mean().backward()
        optim.step()
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), twin.parameters(), strict=True))


def test_values_of_every_kind_come_back_as_they_were(tmp_path):
    tree = {
        "a": (1, 2.5),
        "b": {0: None, "x": [True, "text"]},
        "c": {"inf": math.inf, "t": torch.zeros(0, dtype=torch.int64)},
    }
    checkpoint.save(tmp_path, 0, tree)
    back = checkpoint.load(tmp_path)
    assert back["a"] == (1, 2.5)
    assert back["b"] == {0: None, "x": [True, "text"]}
    assert back["c"]["inf"] == math.inf
    assert back["c"]["t"].dtype == torch.int64
    checkpoint.save(tmp_path, 1, {"nan": math.nan})
    assert math.isnan(checkpoint.load(tmp_path)["nan"])


def test_only_the_newest_checkpoint_is_kept_and_nothing_half_written(tmp_path):
    (tmp_path / ".partial-checkpoint-00000001").mkdir()
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, step, {"step": step})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000010"]
    assert checkpoint.latest_step(tmp_path) == 10
    checkpoint.discard(tmp_path)
    assert checkpoint.load(tmp_path) is None
    assert checkpoint.latest_step(tmp_path) is None


def test_an_object_is_refused_rather_than_pickled(tmp_path):
    with pytest.raises(TypeError, match="of type object"):
        checkpoint.save(tmp_path, 0, {"a": object()})
    assert checkpoint.load(tmp_path) is None


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_torn_checkpoint_is_named(tmp_path, name):
    target = checkpoint.save(tmp_path, 0, {"a": torch.ones(100)})
    (target / name).write_bytes((target / name).read_bytes()[:20])
    with pytest.raises(GreenlightError, match="not a readable checkpoint"):
        checkpoint.load(tmp_path)
