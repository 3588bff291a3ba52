"""GL208: a key that does not exist is set in a configuration in struct mode."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class NewKeyInStruct(Rule):
    """A key that does not exist is set in a configuration in struct mode."""

    id = "GL208"
    name = "new-key-in-struct"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "9.2",
        "7.3",
    )
    summary = "Setting a key that the configuration does not have raises ConfigAttributeError."
    why = (
        "What @hydra.main hands over is in struct mode: cfg.training.epochs = 1 works only where "
        "config.yaml or the run file has that key. Mode handling in main.py, before the run file is "
        "merged, is where it happens."
    )
    remedy = "Give the key a default in config.yaml, or set it inside of open_dict(cfg)."
    valid = (
        {
            "src/main.py": """
                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    if cfg.mode == "trial":
                        cfg.training.lr = 0.0
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
        {
            "src/main.py": """
                from omegaconf import open_dict

                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    with open_dict(cfg):
                        cfg.training.epochs = 1
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
        {
            "src/main.py": """
                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    if "epochs" in cfg.training:
                        cfg.training.epochs = 1
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
                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    if cfg.mode == "trial":
                        cfg.training.epochs = 1
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
        {
            "src/main.py": """
                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    cfg["note"] = "x"
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
        """Yield one finding for each assignment that raises."""
        flow = subject.derived(ConfigFlow)
        if not flow.writes:
            raise NotApplicable("the code sets nothing in the configuration")
        if not flow.known:
            return
        missed = {access.path for access in flow.missing()}
        for write in flow.writes.values():
            refused = write.refused if not write.guarded or len(write.refused) == len(flow.scenarios) else set()
            if write.computed_key or not refused or write.root.after_failure or write.path in missed:
                continue
            runs = flow.runs_of(refused)
            which = "no run has it" if len(runs) == len(flow.run_ids) else f"{runs[0]} does not have it"
            text = f"{dotted_key(write.path)} is set, but {which} and the configuration is in struct mode"
            yield self.at(write.module, write.node, text, f"give {dotted_key(write.path)} a default in config.yaml")
