import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import graff

README = Path(__file__).parents[1] / "README.md"
MODULES = ["graff", *(m.name for m in pkgutil.walk_packages(graff.__path__, "graff."))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_the_docstrings_have_examples():
    finder = doctest.DocTestFinder()
    found = [t for name in MODULES for t in finder.find(importlib.import_module(name)) if t.examples]
    assert len(found) >= 8


def test_the_lines_of_the_readme_train_a_model():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    assert blocks
    for block in blocks:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        seen = []

        def token_losses(model, batch, seen=seen):
            losses = (model(batch) - batch[..., :2]).square()
            seen.append(float(losses.mean().detach()))
            return losses

        names = {
            "graff": graff,
            "model": model,
            "optimizer": torch.optim.AdamW(model.parameters(), lr=3e-2),
            "loader": [torch.randn(8, 3) for _ in range(150)],
            "token_losses": token_losses,
            "evaluate": lambda model: None,
        }
        # In half an hour these few steps would all be part of the warm-up.
        exec(block.replace("minutes=30", "seconds=10"), names)
        assert sum(seen[-8:]) < sum(seen[:8]) / 2


def test_every_planner_is_in_the_readme():
    text = README.read_text()
    for name in graff.planners.names():
        assert f"`{name}`" in text
        for option in graff.planners.options(name):
            assert f"`{option}`" in text
