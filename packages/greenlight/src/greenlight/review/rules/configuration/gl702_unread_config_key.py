"""GL702: a key of the run files is read nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_NOT_SETTINGS = frozenset({"run_id", "method", "wandb", "optuna", "hydra", "defaults", "hardware", "tags", "notes"})
_ACTS = frozenset({"training", "dataset", "optimizer", "scheduler", "data", "train"})
_SAVES_MEMORY = frozenset({"gradient_checkpointing", "num_workers", "pin_memory", "prefetch_factor"})
_DESCRIBES = frozenset({
    "name", "description", "notes", "note", "tags", "title", "comment", "comments", "task", "task_type", "version",
    "method_name", "type_of", "source", "url", "citation", "license", "paper", "primary_metric", "secondary_metric",
    "display_name", "label", "purpose", "author", "created", "hypothesis", "family", "parameter_count",
    "num_parameters",
})  # fmt: skip


def _is_neutral(path: tuple[str, ...], value: object) -> bool:
    """Return whether a setting switches nothing on, so that ignoring it changes nothing."""
    if "accum" in path[-1] and value == 1:
        return True
    return value is None or value is False or value in (0, "none", "null") or value in ([], {})


def _largest_unread(path: tuple[str, ...], flow: ConfigFlow, run_id: str) -> tuple[str, ...]:
    """Return the uppermost mapping around a key none of whose keys is read, or the key itself."""
    unread = set(flow.unread(run_id))
    named = flow.other_words | {a.path[-1] for a in flow.accesses.values() if a.path}
    every = [p for p, _ in flow.subject.runs[run_id].leaves]
    while (
        len(path) > 2 and path[-2] not in named and all(p in unread for p in every if p[: len(path) - 1] == path[:-1])
    ):
        path = path[:-1]
    return path


def _describes(path: tuple[str, ...]) -> bool:
    """Return whether a key is there for people rather than for the program."""
    return any(
        part in _DESCRIBES or part.startswith("_") or part.endswith(("_description", "_notes", "_comment"))
        for part in path
    )


def _agrees(subject: Subject, value: object) -> bool:
    """Return whether a text value stands in the code as well, so that what is fixed there agrees with it today."""
    if not isinstance(value, str) or len(value) < 3:
        return False
    word = value.lower().replace("_", "").replace("-", "")
    return any(word in module.text.lower().replace("_", "").replace("-", "") for module in subject.code)


class UnreadConfigKey(Rule):
    """A key of the run files is read nowhere."""

    id = "GL702"
    name = "unread-config-key"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MINOR
    sentences = (
        "7.3",
        "4.5",
        "9.4",
    )
    summary = "A setting of the run file has no effect: the code never reads it."
    why = (
        "gradient_accumulation_steps: 8 that nothing reads trains with an eighth of the batch size that "
        "the run file and the paper state. A key counts as read if the code reads it, or something that "
        "holds it goes to a library, or its name occurs anywhere else in the code."
    )
    remedy = "Read the key where it is meant to act, or delete it from the run files."
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
                    model = library.build(cfg.model)
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
                    optimizer = make(model, **cfg.training)
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
                  gradient_accumulation_steps: 8
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
                  shuffle_buffer: 1000
                training:
                  lr: 0.1
                  warmup_steps: 100
            """,
            "config/runs/b.yaml": """
                run_id: b
                method: baseline
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
    )

    def _defaults(self, subject: Subject, flow: ConfigFlow) -> Iterator[Finding]:
        """Yield a finding for each setting of config.yaml that no run has and nothing reads."""
        config = subject.config
        for path in flow.unread_defaults if config is not None and not flow.missing() else ():
            value = config.get(*path) if config is not None else None
            if len(path) < 2 or path[0] not in _ACTS or _describes(path) or _is_neutral(path, value) or value == "???":
                continue
            if config is None or not isinstance(value, str | int | float | bool) or _agrees(subject, value):
                continue
            if any(part in flow.other_words for part in path[1:-1]):
                continue
            severity = Severity.MINOR if path[-1] in _SAVES_MEMORY else Severity.MAJOR
            text = f"{dotted_key(path)}: {value} of config.yaml is read by no line of code"
            remedy = f"read cfg.{dotted_key(path)} where it is meant to act, or delete it"
            yield self.on(config, config.line(*path), text, remedy, severity=severity)

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each key, at the first run file that has it."""
        subject.require_whole()
        flow = subject.derived(ConfigFlow)
        if not flow.known:
            raise NotApplicable("how the configuration is composed cannot be told from the files")
        having: dict[tuple[str, ...], list[str]] = {}
        # A run whose keys other code was written for is told by the rule about missing keys.
        misfits = {run_id for a in flow.missing() if a.present for run_id in flow.runs_of(a.absent)}
        for run_id in flow.run_ids:
            for path in flow.unread(run_id) if run_id not in misfits else ():
                neutral = _is_neutral(path, subject.runs[run_id].get(*path))
                somewhere = any(part in flow.other_words for part in path[1:-1])  # code that could not be followed
                if path[0] not in _NOT_SETTINGS and not _describes(path) and not neutral and not somewhere:
                    whole = _largest_unread(path, flow, run_id)
                    if run_id not in having.setdefault(whole, []):
                        having[whole].append(run_id)
        yield from self._defaults(subject, flow)
        for path, runs in having.items():
            file = subject.runs[runs[0]]
            key = dotted_key(path)
            value = file.get(*path)
            shown = value if isinstance(value, str | int | float | bool) or value is None else type(value).__name__
            which = f"{len(runs)} runs" if len(runs) > 1 else "this run"
            text = f"{key}: {shown} of {which} is read by no line of code"
            acts = path[0] in _ACTS and path[-1] not in _SAVES_MEMORY and not _agrees(subject, value)
            severity = Severity.MAJOR if acts else Severity.MINOR
            remedy = f"read cfg.{key} where it is meant to act, or delete it"
            yield self.on(file, file.line(*path), text, remedy, severity=severity)
