"""GL710: a search space cannot be sampled."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_CHOOSES = ("categorical", "choice")
_OURS = ("uniform", "loguniform", "int", "categorical")
_LOGARITHMIC = ("loguniform", "logfloat", "floatlog")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class SearchSpaceEntry(Rule):
    """A search space cannot be sampled."""

    id = "GL710"
    name = "search-space-entry"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = ("7.4",)
    summary = (
        "Optuna refuses an entry of the search space: its bounds are crossed, not positive, or its choices are empty."
    )
    why = (
        "suggest_float raises ValueError for low > high, and for log=True where low is not positive; "
        "suggest_categorical raises for no choices. Trial mode runs no search and does not show it."
    )
    remedy = "Give low < high (both positive for loguniform), or choices with something in them."
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
                      low: 1e-3
                      high: 1e-5
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
                  n_trials: 5
                  search_space:
                    lr:
                      type: loguniform
                      low: 0.0
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
                  search_space:
                    width:
                      type: categorical
                      choices: []
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each entry that cannot be sampled."""
        files = [*([subject.config] if subject.config is not None else []), *subject.runs.values()]
        spaces = [(f, space) for f in files if isinstance(space := f.get("optuna", "search_space"), dict) and space]
        if not spaces:
            raise NotApplicable("there is no search space")
        for file, space in spaces:
            for name, entry in space.items():
                if not isinstance(entry, dict):
                    continue
                line = file.line("optuna", "search_space", name)
                low, high, choices = entry.get("low"), entry.get("high"), entry.get("choices")
                kind = str(entry.get("type", "")).lower().replace("_", "")
                if not (_is_number(low) and _is_number(high)):
                    low = high = None
                if low is not None and high is not None and low > high:
                    yield self.on(file, line, f"{name}: low {low} is above high {high}", f"swap low and high of {name}")
                elif low is not None and low <= 0 and (kind in _LOGARITHMIC or entry.get("log") is True):
                    text = f"{name}: low {low} of a logarithmic range is not positive"
                    yield self.on(file, line, text, f"give {name} a low above 0")
                elif isinstance(choices, list) and not choices:
                    yield self.on(file, line, f"{name}: there are no choices", f"give {name} something to choose from")
                elif kind in _CHOOSES and not any(isinstance(value, list | dict) for value in entry.values()):
                    text = f"{name} is {entry.get('type')} and has no choices"
                    yield self.on(file, line, text, f"give {name} a list of choices")
        yield from self._unknown_kinds(subject)

    def _unknown_kinds(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each dimension whose type the code refuses."""
        flow = subject.derived(ConfigFlow)
        told: set[tuple[str, str]] = set()
        for raised in flow.raised.values():
            for scenario, path in sorted(raised.entries):
                run = subject.runs[flow.scenarios[scenario].run_id]
                kind = run.get(*path, "type")
                if path[:2] != ("optuna", "search_space") or kind is None or (run.path, path[-1]) in told:
                    continue
                told.add((run.path, path[-1]))
                where = f"{raised.module.path}:{getattr(raised.node, 'lineno', 1)}"
                text = f"{path[-1]}: {where} refuses the type {kind}"
                yield self.on(run, run.line(*path, "type"), text, f"give {path[-1]} a type that the code knows")
        if not any(o.startswith("greenlight.harness.search") for m in subject.code for o in m.imports.values()):
            return
        for run in subject.runs.values():
            space = run.get("optuna", "search_space")
            for name, entry in space.items() if isinstance(space, dict) else ():
                kind = entry.get("type") if isinstance(entry, dict) else None
                if isinstance(kind, str) and kind not in _OURS:
                    text = f"{name}: {kind} is none of {', '.join(sorted(_OURS))}"
                    yield self.on(run, run.line("optuna", "search_space", name), text)
