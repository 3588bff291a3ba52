"""GL704: a run file lacks a section of the contract."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import YamlFile

_SECTIONS = ("method", "model", "dataset", "training")


def _is_left_open(value: object) -> bool:
    """Return whether a section of config.yaml has a key that each run file has to set."""
    return any(inner == "???" or _is_left_open(inner) for inner in value.values()) if isinstance(value, dict) else False


class MissingSection(Rule):
    """A run file lacks a section of the contract."""

    id = "GL704"
    name = "missing-section"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("2.3",)
    summary = "A run file and config.yaml together lack method, model, dataset or training."
    why = (
        "The contract's run file has run_id, method, model, dataset and training, and optuna where a "
        "search is run; readers, tables and the review of the run rely on them."
    )
    remedy = "Add the section to the run file."
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
                dataset:
                  name: cifar10
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
                model:
                  name: resnet18
                  hidden: 64
                training:
                  lr: 0.1
                  warmup_steps: 100
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
                training:
                  lr: 0.1
                  warmup_steps: 100
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each set of sections that run files lack."""
        if not subject.runs:
            raise NotApplicable("there are no run files")
        whole = subject.config.data if subject.config is not None else {}
        config = {name: value for name, value in whole.items() if not _is_left_open(value)}
        having: dict[tuple[str, ...], list[YamlFile]] = {}
        for file in subject.runs.values():
            lacking = tuple(name for name in _SECTIONS if name not in file.data and name not in config)
            if file.error is None and file.data and lacking:
                having.setdefault(lacking, []).append(file)
        for lacking, files in having.items():
            more = f" (nor have {len(files) - 1} more run files)" if files[1:] else ""
            text = f"{files[0].path} has no {', '.join(lacking)}{more}"
            yield self.on(files[0], 1, text, f"add {lacking[0]} to it")
