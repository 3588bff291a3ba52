"""GL711: sampled values are written to keys that nothing reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_events import Write
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.engines.drawn_values import unused_draws
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


def _space(subject: Subject, run_id: str) -> list[str]:
    space = subject.runs[run_id].get("optuna", "search_space")
    return list(space) if isinstance(space, dict) else []


# Who is given the table from names to keys, and the name of that argument.
_TABLES = {"greenlight.harness.search.search": "paths", "greenlight.harness.session.Experiment": "searchable"}


def _table(module: Module, node: ast.expr | None) -> dict[str, ast.expr] | None:
    """Return a dictionary display by key, None where it is not written in the open."""
    display = module.assigned(node) if isinstance(node, ast.Name) else node
    if not isinstance(display, ast.Dict):
        return None
    keys = [module.value(key) if key is not None else None for key in display.keys]
    if not all(isinstance(key, str) for key in keys):
        return None
    return {str(key): value for key, value in zip(keys, display.values, strict=True)}


class SearchWithoutEffect(Rule):
    """Sampled values are written to keys that nothing reads."""

    id = "GL711"
    name = "search-without-effect"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("7.4", "2.2")
    summary = "The search writes its samples to keys that nothing reads: every trial trains the same model."
    why = (
        "A name such as adapter_lr_init turned into adapter.lr.init, or written at the top of the "
        "configuration while the code reads cfg.training.lr, leaves the training as it was; the best "
        "trial is then the luckiest one."
    )
    remedy = "Write each sampled value to the key that the code reads, by a table from names to paths."
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
                import optuna
                from omegaconf import OmegaConf


                def objective(trial, cfg):
                    for name, space in cfg.optuna.search_space.items():
                        value = trial.suggest_float(name, space.low, space.high, log=True)
                        OmegaConf.update(cfg, name, value)
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
                    training.lr:
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
                import optuna
                from omegaconf import OmegaConf


                def objective(trial, cfg):
                    for name, space in cfg.optuna.search_space.items():
                        value = trial.suggest_float(name, space.low, space.high, log=True)
                        OmegaConf.update(cfg, name, value)
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
                import optuna
                from omegaconf import OmegaConf


                def objective(trial, cfg):
                    for name, space in cfg.optuna.search_space.items():
                        value = trial.suggest_float(name, space.low, space.high, log=True)
                        OmegaConf.update(cfg, name.replace("_", "."), value)
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
                    peak_lr:
                      type: loguniform
                      low: 1e-5
                      high: 1e-3
            """,
        },
    )

    def _without_target(self, subject: Subject, flow: ConfigFlow) -> Iterator[Finding]:
        """Yield a finding for each name of a search space that the code's table lacks, or maps to no key."""
        for lookup in flow.lookups.values():
            having = [run for run in flow.runs_of(lookup.scenarios) if lookup.key in _space(subject, run)]
            if (
                having
                and isinstance(lookup.node, ast.Subscript)
                and _table(lookup.module, lookup.node.value) is not None
            ):
                shown = lookup.module.source(lookup.node.value)
                text = f"{shown} has no '{lookup.key}', which the search space of {having[0]} names: KeyError"
                yield self.at(lookup.module, lookup.node, text, f"add '{lookup.key}' to {shown}")
        every = {path[:n] for path in flow.leaves for n in range(1, len(path) + 1)}
        fields = {
            n.target.id
            for m in subject.code
            for n in m.nodes
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
        }
        for module in subject.code:
            for call in module.calls(*_TABLES):
                table = _table(module, argument(call, _TABLES[module.dotted(call.func) or ""], 1))
                if table is None:
                    continue
                for key, node in table.items():
                    path = module.value(node)
                    parts = tuple(path.split(".")) if isinstance(path, str) else ()
                    if parts and parts not in every and parts[-1] not in fields:
                        text = f"{key} of the search is written to {path}, which no run has"
                        yield self.at(module, node, text, f"name a key of the run files for {key}")
                checks = any(o.endswith("search.check_names") for o in module.imports.values())  # before any trial
                for run, file in subject.runs.items():
                    lacking = [name for name in _space(subject, run) if name not in table]
                    if lacking and (checks or file.get("optuna", "n_trials")):
                        line = file.line("optuna", "search_space", lacking[0])
                        text = f"the code's table of what can be searched has no '{lacking[0]}'"
                        yield self.on(file, line, text, f"add '{lacking[0]}' to it")

    def _thrown_away(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where drawn parameters are used for nothing, or only for a message."""
        for module, node, name, where in unused_draws(subject):
            text = f"{name} {where}: every trial trains the same"
            yield self.at(module, node, text, f"give the training a configuration with {name} in it")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each line that writes samples where nothing reads them."""
        flow = subject.derived(ConfigFlow)
        names = {name for run in flow.run_ids for name in _space(subject, run)}
        if not names:
            raise NotApplicable("there is no search space")
        if not flow.known or flow.gave_up:
            return
        yield from self._without_target(subject, flow)
        yield from self._thrown_away(subject)
        lost: dict[ast.AST, list[Write]] = {}
        for write in flow.writes.values():
            new = write.computed_key and write.added == write.scenarios and write.root.composed
            if new and not flow.is_read(write.path):
                lost.setdefault(write.node, []).append(write)
        for node, writes in list(lost.items())[:1]:
            keys = sorted({dotted_key(write.path) for write in writes})
            others = [f"{w[0].module.path}:{getattr(n, 'lineno', 1)}" for n, w in lost.items() if n is not node]
            also = f" (also at {', '.join(others[:3])})" if others else ""
            text = f"sampled values are written to {', '.join(keys[:4])}, which nothing reads: the search has no effect"
            yield self.at(writes[0].module, node, text + also)
