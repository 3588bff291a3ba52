"""GL201: the path under which the code opens a run file does not exist."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import changes_directory, entries
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import HOLE
from greenlight.review.engines.run_stores import RunStores
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class RunConfigPath(Rule):
    """The path under which the code opens a run file does not exist."""

    id = "GL201"
    name = "run-config-path"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = ("7.1",)
    summary = "The code opens the run's file under a path at which there is none."
    why = (
        "The contract keeps run files in config/runs/<run id>.yaml. A path such as config/run/<id>.yaml "
        "ends every command with FileNotFoundError, and so does a relative path where Hydra has changed "
        "into its outputs folder."
    )
    remedy = "Open config/runs/<run id>.yaml, built from the place of the file and not from the current directory."
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
                    run = OmegaConf.load(ROOT / "config" / "run" / f"{cfg.run}.yaml")
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
            "config/run/a.yaml": """
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
                    run = OmegaConf.load(ROOT / "config" / "run" / f"{cfg.run}.yaml")
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


                @hydra.main(config_path="../config", config_name="config")
                def main(cfg):
                    run = OmegaConf.load(f"config/runs/{cfg.run}.yaml")
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
        """Yield one finding for each place that opens or registers run files where there are none."""
        flow = subject.derived(ConfigFlow)
        store = subject.derived(RunStores).store
        places = {file.path.rpartition("/")[0] for file in subject.runs.values()}
        if store is not None and store.folder is not None and places and store.folder not in places:
            message = f"run files are looked for in {store.folder or '.'}, but they stand in {min(places)}"
            yield self.at(store.module, store.node, message, f"register the files of {min(places)}")
        if not flow.loads and store is None:
            raise NotApplicable("no run file is opened by the code: Hydra composes it")
        here = set(subject.submission.files)
        moved = {e.module.path for e in subject.derived(entries) if changes_directory(subject, e)}
        for load in flow.loads.values():
            if load.guarded or not flow.run_ids:
                continue
            for scenario, path in sorted(load.paths.items()):
                run_id = flow.scenarios[scenario].run_id
                place = path.rpartition(HOLE)[2].lstrip("/").removeprefix("./")
                name = place.rpartition("/")[2]
                if not place.startswith("config") or name not in (f"{run_id}.yaml", f"{run_id}.yml"):
                    continue
                actual = subject.runs[run_id].path
                if place not in here:
                    message = f"{place} is opened, but the file of this run is {actual}"
                    yield self.at(load.module, load.node, message, f"open {actual.replace(run_id, '<run id>')}")
                    break
                relative = not path.startswith((HOLE, "/")) and load.module.function_around(load.node) is not None
                if relative and load.module.path in moved:
                    message = f"{place} is opened relative to the outputs folder that Hydra has changed into"
                    remedy = "build the path from Path(__file__).resolve().parents[1]"
                    yield self.at(load.module, load.node, message, remedy)
                    break
