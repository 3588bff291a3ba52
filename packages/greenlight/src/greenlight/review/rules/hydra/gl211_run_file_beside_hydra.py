"""GL211: the run file is loaded past Hydra."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import HOLE
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_REPAIRS = frozenset({"overrides", "from_cli", "from_dotlist", "compose"})


class RunFileBesideHydra(Rule):
    """The run file is loaded past Hydra."""

    id = "GL211"
    name = "run-file-beside-hydra"
    criterion = Criterion.HYDRA
    severity = Severity.MINOR
    sentences = (
        "2.1",
        "2.2",
    )
    summary = "The run file is merged after Hydra has composed, so the command line cannot override its keys."
    why = (
        "Hydra rejects training.total_steps=5 because it does not know the key, and what it accepts is "
        "overwritten by the run file; .hydra/config.yaml does not show what was run."
    )
    remedy = (
        "Merge the run file below the command line: a Hydra group whose options are the run files, or "
        "merge the task's overrides once more at the end."
    )
    valid = (
        {
            "src/main.py": """
                import hydra

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                def train(cfg):
                    print(cfg.training.lr)
            """,
            "config/config.yaml": """
                defaults:
                  - _self_
                  - run: ???
                results_dir: ???
                mode: ???
            """,
            "config/run/a.yaml": """
                # @package _global_

                run_id: a
                training:
                  lr: 0.2
            """,
        },
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from hydra.core.hydra_config import HydraConfig
                from omegaconf import OmegaConf, open_dict

                ROOT = Path(__file__).resolve().parents[1]


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    run = OmegaConf.load(ROOT / "config" / "runs" / f"{cfg.run}.yaml")
                    with open_dict(cfg):
                        cfg = OmegaConf.merge(cfg, run, OmegaConf.from_dotlist(list(HydraConfig.get().overrides.task)))
                    print(cfg.training.lr)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                def train(cfg):
                    print(cfg.training.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
            """,
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )
    invalid = (
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf, open_dict

                ROOT = Path(__file__).resolve().parents[1]


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    run = OmegaConf.load(ROOT / "config" / "runs" / f"{cfg.run}.yaml")
                    with open_dict(cfg):
                        cfg = OmegaConf.merge(cfg, run)
                    print(cfg.training.lr)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                def train(cfg):
                    print(cfg.training.lr)
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
            """,
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each function that loads a run file under Hydra."""
        flow = subject.derived(ConfigFlow)
        modules = {entry.module.path for entry in subject.derived(entries) if entry.reads_primary}
        if not modules:
            raise NotApplicable("no function under @hydra.main reads config/config.yaml")
        if not flow.known or flow.composition.loads_run_file:
            return
        runs = {file.path for file in subject.runs.values()}
        for load in flow.loads.values():
            if load.module.path not in modules or load.module.path == "src/evaluate.py":
                continue
            words = {n.attr for n in load.module.nodes if isinstance(n, ast.Attribute)}
            if words & _REPAIRS or "sys.argv" in load.module.text:
                continue
            places = [path.rpartition(HOLE)[2].lstrip("/") for path in load.paths.values()]
            if any(place in runs for place in places):
                text = "the run file is loaded after Hydra has composed: overrides of its keys are lost or rejected"
                yield self.at(load.module, load.node, text)
