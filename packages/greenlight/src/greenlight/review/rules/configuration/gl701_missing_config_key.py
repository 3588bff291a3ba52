"""GL701: the code reads a key that a run's configuration does not have."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_events import Access
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.engines.missing_keys import advice, lacks_section, misspelt_reads
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class MissingConfigKey(Rule):
    """The code reads a key that a run's configuration does not have."""

    id = "GL701"
    name = "missing-config-key"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = ("7.3",)
    summary = "The code reads a configuration key that does not exist, so the run ends with an exception."
    why = (
        "Each run file is composed as the program would do it and the configuration object is followed "
        "through functions, copies and merges; a key that a composed run lacks raises "
        "ConfigAttributeError or KeyError when the line is reached. Reads under a condition that the "
        "run's own values make false, with a default, or after a test of the key are fine."
    )
    remedy = "Read the key where the run files have it, or add it to config/config.yaml or to each run file."
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
                    optimizer = make(model, cfg.training.lr, cfg.training.get("decay", 0.0))
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
                    if cfg.method == "proposed":
                        print(cfg.planner.rate)
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
                planner:
                  rate: 2
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
                    optimizer = make(model, cfg.training.lr, cfg.training.schedule.warmup_steps)
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
                    return Net(model.name, model["hidden_size"])
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
                    print(cfg.planner.rate)
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
                planner:
                  rate: 2
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

    def _hidden(self, flow: ConfigFlow) -> Iterator[Finding]:
        """Yield a finding where a key that no run has is read with the default that a key of like name has."""
        for read, meant in misspelt_reads(flow):
            key, other = dotted_key(read.path), dotted_key(meant)
            text = f"{key} is read with a default, but no run has it, and {other} is read by nothing"
            yield self.at(read.module, read.node, text, f"read {other}")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each key, at the first place that reads it."""
        flow = subject.derived(ConfigFlow)
        if not flow.known:
            raise NotApplicable("how the configuration is composed cannot be told from the files")
        places: dict[tuple[str, ...], list[Access]] = {}
        for access in flow.missing():
            if not access.plain:
                places.setdefault(access.path, []).append(access)
        yield from self._hidden(flow)
        for path, accesses in places.items():
            first = accesses[0]
            if path[:2] == ("optuna", "search_space"):
                continue  # told with the entry of the search space
            if first.mandatory and lacks_section(flow, path[0], accesses):
                continue  # told with the section that the run file lacks
            absent = set().union(*(a.absent or a.absent_guarded for a in accesses))
            runs = flow.runs_of(absent)
            others = sorted({f"{a.module.path}:{getattr(a.node, 'lineno', 1)}" for a in accesses[1:]})
            key = dotted_key(path)
            if first.mandatory:
                what = f"{key} is read but ??? in every file: nothing sets it"
            elif not first.root.composed:
                what = f"{key} is read, but the file that is loaded here has no such key"
            elif len(runs) == len(flow.run_ids):
                what = f"{key} is read, but no run has it"
            else:
                more = f" (nor {len(runs) - 1} more)" if runs[1:] else ""
                what = f"{key} is read, but {runs[0]} does not have it{more}"
            also = f"; also read at {', '.join(others[:3])}" if others else ""
            yield self.at(first.module, first.node, what + also, advice(flow, path, first))
