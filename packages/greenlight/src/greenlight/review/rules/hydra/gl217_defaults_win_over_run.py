"""GL217: config.yaml overwrites what the run file says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import COMMAND, Composition
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return None
        tree = tree[key]
    return tree


class DefaultsWinOverRun(Rule):
    """Config.yaml overwrites what the run file says."""

    id = "GL217"
    name = "defaults-win-over-run"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "7.1",
        "2.2",
    )
    summary = "Values of config.yaml overwrite those of the run file, so all runs train with the same settings."
    why = (
        "In Hydra's defaults list the later entry wins. With _self_ after the run's group, or without "
        "_self_ at all, config.yaml's own values come last."
    )
    remedy = "Put _self_ first in the defaults list."
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
                training:
                  lr: 0.1
            """,
            "config/run/a.yaml": """
                # @package _global_

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
                  - run: ???
                results_dir: ???
                mode: ???
                training:
                  lr: 0.1
            """,
            "config/run/a.yaml": """
                # @package _global_

                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where a run's value does not survive the composition."""
        composition = subject.derived(Composition)
        if composition.run_entry is None or not composition.known or composition.problems:
            raise NotApplicable("no group brings the run file in")
        for run_id, file in subject.runs.items():
            composed = composition.hydra({"run": run_id, "results_dir": "", "mode": "full"})
            if composed is None or file.error is not None:
                continue
            lost = [
                path
                for path, value in file.leaves
                if path and path[0] not in COMMAND and _at(composed, path) not in (value, None)
            ]
            if lost:
                path = lost[0]
                text = f"{'.'.join(path)} of {run_id} is overwritten by config.yaml, which the defaults list has later"
                line = composition.run_entry.line
                yield self.on("config/config.yaml", line, text, "put - _self_ first in the defaults list")
                return
