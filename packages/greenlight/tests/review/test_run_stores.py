"""Run files that a program puts into Hydra's store itself."""

import pytest

from greenlight.review.engines.composition import Composition
from greenlight.review.engines.run_stores import RunStores
from greenlight.review.subject import Subject

CONFIG = "defaults:\n  - _self_\n  - run: ???\nmode: ???\nresults_dir: ???\ntraining:\n  lr: 0.1\n"
RUN = "run_id: a\ntraining:\n  lr: 0.2\n"
HEAD = "from pathlib import Path\nfrom hydra.core.config_store import ConfigStore\nfrom omegaconf import OmegaConf\n"
LOOP = """
RUNS = Path(__file__).resolve().parents[1] / "config" / "runs"

def fill():
    cs = ConfigStore.instance()
    for file in sorted(RUNS.glob("*.yaml")):
        content = OmegaConf.load(file)
        cs.store(name=file.stem, node=content, group="run", package="_global_")

fill()
"""
OURS = """
from greenlight.harness.compose import register_runs
register_runs(Path(__file__).parent.parent / "config" / "runs")
"""


def _subject(code: str) -> Subject:
    return Subject.of({"config/config.yaml": CONFIG, "config/runs/a.yaml": RUN, "src/main.py": HEAD + code})


@pytest.mark.parametrize("code", [LOOP, OURS.replace("from greenlight", "from greenlight", 1)])
def test_files_of_a_folder_are_options_of_their_group(code):
    subject = _subject(code)
    store = subject.derived(RunStores).store
    assert store is not None
    assert (store.group, store.folder, store.package) == ("run", "config/runs", "_global_")
    composed = subject.derived(Composition).hydra({"run": "a", "mode": "full", "results_dir": "r"})
    assert composed == {"run_id": "a", "mode": "full", "results_dir": "r", "training": {"lr": 0.2}}


def test_a_store_without_a_package_puts_a_run_below_its_group():
    composition = _subject(LOOP.replace(', package="_global_"', "")).derived(Composition)
    assert [problem.kind for problem in composition.problems] == ["package"]


def test_the_folder_may_be_handed_to_a_function():
    code = LOOP.replace("def fill():", "def fill(folder):").replace("RUNS.glob", "folder.glob")
    store = _subject(code.replace("\nfill()", "\nfill(RUNS)")).derived(RunStores).store
    assert store is not None
    assert store.folder == "config/runs"


def test_what_is_stored_in_another_way_is_unclear():
    for code in (
        LOOP.replace("        cs.store", "        content['seed'] = 1\n        cs.store"),
        LOOP.replace("        cs.store", "        if file.stem:\n            cs.store"),
        LOOP.replace('group="run"', 'group="model"'),
        "ConfigStore.instance().store(name='schema', node={})\n",
    ):
        subject = _subject(code)
        assert subject.derived(RunStores).unclear
        assert not subject.derived(Composition).known


def test_a_store_that_nothing_fills_is_none():
    composition = _subject(LOOP.replace("\nfill()\n", "\n")).derived(Composition)
    assert composition.known
    assert composition.store is None
    assert composition.problems
