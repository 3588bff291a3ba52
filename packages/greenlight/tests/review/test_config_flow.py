"""The flow of the configuration: what is read, what is missing, what legitimate code looks like."""

import textwrap

import pytest

from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.subject import Subject

MAIN = """
import copy
import os
from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf, open_dict

from src.train import *
from src import train as lib


@hydra.main(version_base=None, config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    OmegaConf.set_struct(cfg, False)
    cfg = OmegaConf.merge(cfg, OmegaConf.load(Path(__file__).parents[1] / "config" / "runs" / f"{cfg.run}.yaml"))
    {body}


if __name__ == "__main__":
    main()
"""
RUN = """
run_id: {run_id}
method: {method}
model:
  name: net
  size: 4
training:
  lr: 0.1
  steps: [1, 2]
optuna:
  n_trials: 3
  search_space:
    lr: {{type: loguniform, low: 0.1, high: 0.2}}
"""


def flow(body: str, train: str = "", extra: str = "planner:\n  rate: 1\n") -> ConfigFlow:
    return ConfigFlow(
        Subject.of({
            "src/main.py": MAIN.replace("{body}", textwrap.indent(textwrap.dedent(body), "    ").strip()),
            "src/train.py": train or "x = 1\n",
            "config/config.yaml": "run: null\nresults_dir: null\nmode: null\nwandb:\n  mode: online\n",
            "config/runs/a.yaml": RUN.format(run_id="a", method="proposed") + extra,
            "config/runs/b.yaml": RUN.format(run_id="b", method="baseline"),
        })
    )  # fmt: skip


def missing(found: ConfigFlow) -> set[str]:
    return {".".join(access.path) for access in found.missing()}


LEGITIMATE = {
    "a branch of the run": "if cfg.method == 'proposed':\n    print(cfg.planner.rate)",
    "a branch by an early return": "if cfg.method != 'proposed':\n    return\nprint(cfg.planner.rate)",
    "a test of the key": "if 'planner' in cfg:\n    print(cfg.planner.rate)",
    "a test of the keys": "if 'planner' in cfg.keys():\n    print(cfg.planner.rate)",
    "a negative test": "if 'planner' not in cfg:\n    return\nprint(cfg.planner.rate)",
    "hasattr": "if hasattr(cfg, 'planner') and cfg.planner.rate > 0:\n    print(1)",
    "get": "print(cfg.get('planner'), cfg.training.get('decay', 0.0))",
    "get, then a branch": "planner = cfg.get('planner')\nif planner is not None:\n    print(planner.rate)",
    "getattr": "print(getattr(cfg.training, 'decay', None))",
    "select": "print(OmegaConf.select(cfg, 'planner.rate', default=1))",
    "try": "try:\n    rate = cfg.planner.rate\nexcept Exception:\n    rate = 1",
    "a key that is set first": "cfg.seed = 1\nprint(cfg.seed)",
    "a default that is merged": "cfg = OmegaConf.merge({'planner': {'rate': 2}}, cfg)\nprint(cfg.planner.rate)",
    "open_dict": "with open_dict(cfg):\n    cfg.training.decay = 0.1\nprint(cfg.training.decay)",
    "a conditional expression": "print(cfg.planner.rate if cfg.method == 'proposed' else 0)",
    "an and": "ok = cfg.method == 'proposed' and cfg.planner.rate > 0",
    "given to a library": "import box\nbox.fill(cfg)\nprint(cfg.planner.rate)",
    "a method of a dictionary": "print(dict(cfg.model).get('depth'), list(cfg.training.keys()))",
    "a value that is a text": "print(cfg.model.name.lower().split('/'))",
    "setdefault": "cfg.setdefault('planner', {'rate': 1})\nprint(cfg.planner.rate)",
    "unknown assignments": "for name in os.listdir('.'):\n    cfg[name] = 1\nprint(cfg.other)",
    "a flag from the run": "use = cfg.method == 'proposed'\nwhile use:\n    if use:\n        print(cfg.planner.rate)",
    "a loop over the keys": "for name, value in cfg.get('planner', {}).items():\n    print(name, value)",
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_code_misses_nothing(name):
    assert missing(flow(LEGITIMATE[name])) == set()


BROKEN = {
    "print(cfg.planner.rate)": {"planner"},
    "if cfg.method == 'baseline':\n    print(cfg.planner.rate)": {"planner"},
    "print(cfg['training']['rate'])": {"training.rate"},
    "t = cfg.training\nprint(t.rate)": {"training.rate"},
    "t = copy.deepcopy(cfg)\nprint(t.model.depth)": {"model.depth"},
    "c = OmegaConf.to_container(cfg)\nprint(c['model']['depth'])": {"model.depth"},
    "def inner():\n    return cfg.model.depth\nprint(inner())": {"model.depth"},
    "f = partial(lambda a, b: b.depth, 1)\nprint(f(cfg.model))": {"model.depth"},
    "for name, space in cfg.optuna.search_space.items():\n    print(space.choices)": {"optuna.search_space.lr.choices"},
    "if cfg.mode == 'trial':\n    cfg.training.epochs.x = 1": {"training.epochs"},
}


@pytest.mark.parametrize("body", BROKEN)
def test_a_key_that_is_not_there_is_missed(body):
    assert missing(flow(body)) == BROKEN[body]


def test_the_object_is_followed_through_classes_and_modules():
    train = """
        class Trainer:
            def __init__(self, cfg):
                self.cfg = cfg
                self.training = cfg.training

            def fit(self):
                return self.training.rate + self.cfg.model.depth


        def start(config):
            return Trainer(config).fit()
    """
    assert missing(flow("lib.start(cfg)", textwrap.dedent(train))) == {"training.rate", "model.depth"}


def test_what_a_logger_gets_is_not_read_and_what_a_library_gets_is():
    logged = flow("import wandb\nwandb.init(config=OmegaConf.to_container(cfg, resolve=True))\nprint(cfg.method)")
    assert ("model", "size") in logged.unread("a")
    given = flow("import net\nnet.build(cfg.model)\nnet.make(**cfg.training)")
    assert ("model", "size") not in given.unread("a")
    assert ("training", "lr") not in given.unread("a")


def test_struct_mode_refuses_what_omegaconf_refuses():
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    hydra = OmegaConf.create({"a": 1, "n": None, "d": {"x": 1}, "e": {}})
    OmegaConf.set_struct(hydra, True)
    for run in ({"b": 1}, {"d": {"y": 1}}, {"e": {"y": 1}}, {"n": {"y": 1}}, {"a": {"y": 1}}, {"d": {"x": 2}}):
        try:
            OmegaConf.merge(hydra, OmegaConf.create(run))
            raises = False
        except OmegaConfBaseException:
            raises = True
        code = MAIN.replace("OmegaConf.set_struct(cfg, False)", "pass").replace("{body}", "print(cfg)")
        config = {"run": None, "results_dir": None, "mode": None, "a": 1, "n": None, "d": {"x": 1}, "e": {}}
        files = {"src/main.py": code, "src/train.py": "x = 1\n"}
        files |= {"config/config.yaml": OmegaConf.to_yaml(OmegaConf.create(config))}
        files |= {"config/runs/a.yaml": OmegaConf.to_yaml(OmegaConf.create(run))}
        found = ConfigFlow(Subject.of(files))
        assert any(merge.keys for merge in found.merges.values()) == raises, run


def test_best_parameters_are_the_names_of_the_search_space():
    body = """
        import optuna
        study = optuna.create_study()
        for name, value in study.best_params.items():
            if name in cfg.training:
                cfg.training[name] = value
            else:
                cfg.planner[name] = value
    """
    assert missing(flow(body)) == set()
    assert missing(flow(body.replace("name in cfg.training", "name in cfg.model"))) == {"planner"}


SESSION = """
from greenlight.harness.compose import validated
from greenlight.harness.loop import train_until_spent
from greenlight.harness.sections import Section
from greenlight.harness.session import Experiment, RunSection, conduct


class Model(Section):
    name: str
    size: int


class RunConfig(RunSection):
    model: Model
    training: dict


class Job:
    def __init__(self, config, folder, test):
        self.config = config
        build(config.model)

    def prepare(self):
        return None

    def train(self, tracker):
        return train_until_spent(self, [], None, None, log=tracker.log, interrupted=None)

    def step(self, batch):
        return {"loss": 2 * self.config.training.lr}


def build(model):
    return [0] * model.KEY


def train(cfg):
    conduct(Experiment(RunConfig, {}, job=Job, objective=None), validated(cfg, RunConfig))
"""


def test_a_session_makes_the_job_with_the_configuration_and_the_loop_takes_its_steps():
    found = flow("lib.train(cfg)", SESSION.replace("KEY", "size"))
    assert missing(found) == set()
    read = {path for path in found.leaves if found.is_read(path)}
    assert {("model", "size"), ("training", "lr"), ("run_id",), ("wandb", "mode"), ("optuna", "n_trials")} <= read
    assert not read & {("model", "name"), ("training", "steps")}
    assert missing(flow("lib.train(cfg)", SESSION.replace("KEY", "width"))) == {"model.width"}
