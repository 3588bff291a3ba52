"""GL712: the run files define a search that no code runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import YamlFile

_LIBRARIES = frozenset({"optuna", "ray", "hyperopt", "skopt", "nevergrad", "ax", "optunahub", "bayes_opt", "smac"})


def _asks(file: YamlFile) -> bool:
    trials, space = file.get("optuna", "n_trials"), file.get("optuna", "search_space")
    return isinstance(trials, int) and trials > 0 and bool(space)


def _idle(subject: Subject) -> tuple[Module, ast.Call, str] | None:
    """Return the only search of the code, where it stands in a function that nothing refers to."""
    found = [
        (module, call)
        for module in subject.code
        if module.error is None and any(o.startswith("optuna") for o in module.imports.values())
        for call in module.method_calls("optimize")
        if argument(call, "n_trials", 1) is not None
    ]
    if len(found) != 1:
        return None
    module, call = found[0]
    function = module.function_around(call)
    if function is None or function.decorator_list or not isinstance(module.parent(function), ast.Module):
        return None
    full = f"{module.name}.{function.name}"
    words = [f'"{function.name}"', f"'{function.name}'"]
    for other in subject.code:
        if other.error is not None or any(word in other.text for word in words):
            return None
        for node in other.nodes:
            inside = other is module and function in (node, *other.ancestors(node))
            if isinstance(node, ast.Name | ast.Attribute) and not inside and other.dotted(node) == full:
                return None
            if isinstance(node, ast.alias) and node.name in (function.name, "*"):
                return None
    return module, call, function.name


class SearchNeverRun(Rule):
    """The run files define a search that no code runs."""

    id = "GL712"
    name = "search-never-run"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("7.4",)
    summary = "The run files define a search, and no code runs one."
    why = (
        "optuna.n_trials: 30 with a search space reads as if the reported hyper-parameters had been "
        "tuned; without Optuna (or another search library) in the code they are the defaults."
    )
    remedy = "Run the search with optuna.create_study, or delete the section from the run files."
    valid = (
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    OmegaConf.set_struct(cfg, False)
                    run_file = Path(__file__).parents[1] / "config" / "runs" / f"{cfg.run}.yaml"
                    cfg = OmegaConf.merge(cfg, OmegaConf.load(run_file))
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import optuna
                from omegaconf import OmegaConf


                def objective(trial, cfg):
                    for name, space in cfg.optuna.search_space.items():
                        value = trial.suggest_float(name, space.low, space.high, log=True)
                        OmegaConf.update(cfg, f"training.{name}", value)
                    return fit(cfg)


                def train(cfg):
                    if cfg.optuna.n_trials > 0:
                        study = optuna.create_study()
                        study.optimize(lambda trial: objective(trial, cfg), n_trials=cfg.optuna.n_trials)
                    fit(cfg)


                def fit(cfg):
                    model = Net(cfg.model.name, cfg.model.hidden)
                    return fitted(model, cfg.training.lr, cfg.training.warmup_steps, cfg.dataset.name)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
                model:
                  name: resnet18
                  hidden: 64
                dataset:
                  name: cifar10
                training:
                  lr: 0.1
                  warmup_steps: 100
                optuna:
                  n_trials: 5
                  search_space:
                    lr:
                      type: loguniform
                      low: 1e-5
                      high: 1e-3
            """,
        },
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    OmegaConf.set_struct(cfg, False)
                    run_file = Path(__file__).parents[1] / "config" / "runs" / f"{cfg.run}.yaml"
                    cfg = OmegaConf.merge(cfg, OmegaConf.load(run_file))
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                def train(cfg):
                    model = build(cfg.model)
                    optimizer = make(model, cfg.training.lr, cfg.training.warmup_steps)
                    fit(model, optimizer, load(cfg.dataset.name))


                def build(model):
                    return Net(model.name, model["hidden"])
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
                model:
                  name: resnet18
                  hidden: 64
                dataset:
                  name: cifar10
                training:
                  lr: 0.1
                  warmup_steps: 100
                optuna:
                  n_trials: 0
                  search_space:
                    lr:
                      type: loguniform
                      low: 1e-5
                      high: 1e-3
            """,
        },
    )
    invalid = (
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    OmegaConf.set_struct(cfg, False)
                    run_file = Path(__file__).parents[1] / "config" / "runs" / f"{cfg.run}.yaml"
                    cfg = OmegaConf.merge(cfg, OmegaConf.load(run_file))
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                def train(cfg):
                    model = build(cfg.model)
                    optimizer = make(model, cfg.training.lr, cfg.training.warmup_steps)
                    fit(model, optimizer, load(cfg.dataset.name))


                def build(model):
                    return Net(model.name, model["hidden"])
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
                model:
                  name: resnet18
                  hidden: 64
                dataset:
                  name: cifar10
                training:
                  lr: 0.1
                  warmup_steps: 100
                optuna:
                  n_trials: 5
                  search_space:
                    lr:
                      type: loguniform
                      low: 1e-5
                      high: 1e-3
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding where trials are asked for and no search library is imported."""
        asked = [f for f in subject.runs.values() if _asks(f)]
        if not asked:
            raise NotApplicable("no run asks for a search")
        if subject.module("src/train.py") is None or not subject.derived(ConfigFlow).known:
            return
        idle = _idle(subject)
        if idle is not None:
            module, call, function = idle
            text = f"the search in {function} is never run: nothing calls {function}, but runs ask for trials"
            yield self.at(module, call, text, f"call {function} before the final training")
            return
        for module in subject.code:
            if module.error is not None or any(o.split(".")[0] in _LIBRARIES for o in module.imports.values()):
                return
            if "search_space" in module.text:
                return  # a search of the program's own
            if any(o.startswith("greenlight.harness.search") for o in module.imports.values()):
                return
            if "importlib" in module.imports or ("optuna" in module.text and "__import__" in module.text):
                return
        first = asked[0]
        trials = first.get("optuna", "n_trials")
        text = f"{len(asked)} run(s) ask for a search of {trials} trials, but no code imports optuna"
        yield self.on(first, first.line("optuna"), text)
