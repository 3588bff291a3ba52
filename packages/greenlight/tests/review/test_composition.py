"""The composition engine against Hydra itself, on the same folders."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from greenlight.contract.submission import submission
from greenlight.review.engines.composition import Composition
from greenlight.review.subject import Subject

RUN = "method: proposed\ntraining:\n  lr: 2e-4\n"
GLOBAL = "# @package _global_\n" + RUN
SELF = "defaults:\n  - _self_\n"
KEYS = "results_dir: null\nmode: null\ntraining:\n  lr: 1\n  epochs: 3\n"
FOLDERS = {
    "the program loads the run": {"config.yaml": "run: null\n" + KEYS, "runs/a.yaml": RUN},
    "no run key": {"config.yaml": KEYS, "runs/a.yaml": RUN},
    "no mode": {"config.yaml": "run: null\nresults_dir: null\n", "runs/a.yaml": RUN},
    "a folder named run": {"config.yaml": "run: null\n" + KEYS, "run/a.yaml": RUN},
    "group run, global": {"config.yaml": SELF + "  - run: ???\n" + KEYS, "run/a.yaml": GLOBAL},
    "group run, null": {"config.yaml": SELF + "  - run: null\n" + KEYS, "run/a.yaml": GLOBAL},
    "group run, package": {"config.yaml": SELF + "  - run: ???\n" + KEYS, "run/a.yaml": RUN},
    "group run, self last": {"config.yaml": "defaults:\n  - run: ???\n  - _self_\n" + KEYS, "run/a.yaml": GLOBAL},
    "group run, no self": {"config.yaml": "defaults:\n  - run: ???\n" + KEYS, "run/a.yaml": GLOBAL},
    "group runs ???": {"config.yaml": SELF + "  - runs: ???\nrun: null\n" + KEYS, "runs/a.yaml": GLOBAL},
    "interpolated": {"config.yaml": SELF + "  - runs: ${run}\nrun: null\n" + KEYS, "runs/a.yaml": GLOBAL},
    "fixed, at _global_": {
        "config.yaml": SELF + "  - runs@_global_: a\nrun: null\n" + KEYS, "runs/a.yaml": RUN
    },
    "no such group": {"config.yaml": SELF + "  - model: bert\nrun: null\n" + KEYS, "runs/a.yaml": RUN},
    "optional": {
        "config.yaml": SELF + "  - optional model: bert\nrun: null\n" + KEYS, "runs/a.yaml": RUN
    },
    "another file": {
        "base.yaml": "seed: 1\n", "runs/a.yaml": RUN,
        "config.yaml": "defaults:\n  - base\n  - _self_\nrun: null\n" + KEYS
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:In .config.. Defaults list is missing")
@pytest.mark.parametrize("name", FOLDERS)
def test_it_composes_and_refuses_what_hydra_does(name: str, tmp_path: Path):
    for path, text in FOLDERS[name].items():
        (tmp_path / "config" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / path).write_text(text)
    command = {"run": "a", "results_dir": "out", "mode": "trial"}
    try:
        with initialize_config_dir(str(tmp_path / "config"), version_base=None):
            config = compose("config", [f"{key}={value}" for key, value in command.items()])
        expected = OmegaConf.to_container(config)
    except (HydraException, OmegaConfBaseException):
        expected = None
    composition = Composition(Subject(submission(tmp_path)))
    assert composition.known
    assert composition.hydra(command) == expected
    if expected is None:
        assert composition.problems


def test_what_else_may_compose_makes_it_unknown():
    for code in (
        "from hydra.core.config_store import ConfigStore\nConfigStore.instance().store(name='x', node={})\n",
        "import sys\nsys.argv.append('training.lr=1')\n",
        "import sys\nsys.argv[1:] = []\n",
    ):
        files = {"config/config.yaml": "run: null\n" + KEYS, "config/runs/a.yaml": RUN, "src/main.py": code}
        assert not Composition(Subject.of(files)).known
