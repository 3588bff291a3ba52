"""GL206: a run file's keys end up below the name of its group."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import Composition
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.finding import Edit, Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class RunFilePackage(Rule):
    """A run file's keys end up below the name of its group."""

    id = "GL206"
    name = "run-file-package"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "7.1",
        "7.3",
    )
    summary = "The run file's keys end up below run (or runs), where the code does not look for them."
    why = (
        "Hydra puts a group's file below the group's name unless the file starts with '# @package "
        "_global_' or the entry says run@_global_. cfg.training then is the default of config.yaml, or "
        "missing."
    )
    remedy = "Start each run file with the line '# @package _global_'."
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
                    print(cfg.run.training.lr)
            """,
            "config/config.yaml": """
                defaults:
                  - _self_
                  - run: ???
                results_dir: ???
                mode: ???
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
                run_id: a
                training:
                  lr: 0.2
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding where the code reads the run's keys at the top and Hydra puts them elsewhere."""
        composition = subject.derived(Composition)
        if composition.run_entry is None:
            raise NotApplicable("no group brings the run file in")
        flow = subject.derived(ConfigFlow)
        group = composition.run_entry.group
        if any(f".{group}." in m.text or f'["{group}"]' in m.text for m in subject.code):
            return  # the code looks below the group's name
        below = any(a.path[0] == group and len(a.path) > 1 for a in flow.accesses.values() if a.path)
        first = next(iter(subject.runs.values()), None)
        if below or first is None:
            return
        own = set(first.data) - {"run_id"}
        read = {a.path[0] for a in flow.accesses.values() if a.path and a.root.composed} & own
        for problem in composition.problems:
            store = composition.store
            if problem.kind == "package" and read and store is not None:
                text = f"the keys of run files are stored below {group}, but the code reads cfg.{min(read)}"
                yield self.at(store.module, store.node, text, 'say package="_global_" in the call')
            elif problem.kind == "package" and read:
                text = f"the keys of {first.path} end up below {group}, but the code reads cfg.{min(read)}"
                yield self.on(first, 1, text, edits=self._edits(subject))

    @staticmethod
    def _edits(subject: Subject) -> tuple[Edit, ...]:
        return tuple(
            Edit(file.path, 1, 0, "# @package _global_\n")
            for file in subject.runs.values()
            if not any("@package" in line for line in file.lines)
        )
