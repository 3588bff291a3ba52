"""The catalogue of what libraries have."""

import importlib
from importlib.resources import files

import pytest

from greenlight.review.engines.library import DISTRIBUTIONS, Library
from greenlight.review.subject import Subject

LIBRARY = Subject.of({}).derived(Library)


def test_all_of_it_together_is_small():
    folder = files("greenlight.review.engines").joinpath("catalogue")
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < 300_000
    assert {file.name.removesuffix(".json") for file in folder.iterdir()} <= set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", ["json", "math", "time", "omegaconf", "numpy", "hydra"])
def test_it_has_what_the_installed_module_has(name):
    module = importlib.import_module(name)
    assert {n for n in getattr(module, "__all__", dir(module)) if n[0] != "_"} <= LIBRARY.attributes(name)


def test_what_it_does_not_hold_is_not_known():
    assert LIBRARY.attributes("no_such_library") == frozenset()
    assert LIBRARY.keywords("torch.no_such_function") is None


def test_a_release_outside_of_the_declared_range_is_not_the_one_that_is_installed():
    old = Subject.of({"pyproject.toml": '[project]\nname = "a"\ndependencies = ["torch<2.3"]\n'}).derived(Library)
    assert not old.is_declared_new("torch")
    assert old.is_declared_new("numpy")
