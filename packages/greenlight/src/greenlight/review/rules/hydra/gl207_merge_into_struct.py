"""GL207: new keys are merged into a configuration in struct mode."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class MergeIntoStruct(Rule):
    """New keys are merged into a configuration in struct mode."""

    id = "GL207"
    name = "merge-into-struct"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "7.1",
        "2.1",
    )
    summary = "OmegaConf.merge of new keys into Hydra's configuration raises ConfigKeyError."
    why = (
        "What @hydra.main hands over refuses keys that it does not have (struct mode), at every depth: "
        "merging a run file with keys that config.yaml lacks ends with \"Key 'method' is not in struct\", "
        "also where an empty dictionary stands first."
    )
    remedy = "Call OmegaConf.set_struct(cfg, False) before the merge, or merge inside of open_dict(cfg)."
    valid = (
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
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf, open_dict

                ROOT = Path(__file__).resolve().parents[1]


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    run = OmegaConf.load(ROOT / "config" / "runs" / f"{cfg.run}.yaml")
                    OmegaConf.set_struct(cfg, False)
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
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf, open_dict

                ROOT = Path(__file__).resolve().parents[1]


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    run = OmegaConf.load(ROOT / "config" / "runs" / f"{cfg.run}.yaml")
                    cfg = OmegaConf.merge(run, cfg)
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
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf, open_dict

                ROOT = Path(__file__).resolve().parents[1]


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    run = OmegaConf.load(ROOT / "config" / "runs" / f"{cfg.run}.yaml")
                    cfg.merge_with(run)
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
        """Yield one finding for each merge that raises."""
        flow = subject.derived(ConfigFlow)
        if not flow.merges:
            raise NotApplicable("no configurations are merged")
        if not flow.known:
            return
        for merge in flow.merges.values():
            if merge.keys and (not merge.guarded or len(merge.keys) == len(flow.scenarios)):
                keys = next(iter(merge.keys.values()))
                shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
                text = f"the merge adds {shown} to Hydra's configuration, which is in struct mode: ConfigKeyError"
                yield self.at(merge.module, merge.node, text, "call OmegaConf.set_struct(cfg, False) before it")
