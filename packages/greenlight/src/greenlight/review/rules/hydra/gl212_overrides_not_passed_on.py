"""GL212: main.py passes only some overrides on to the training process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class OverridesNotPassedOn(Rule):
    """Main.py passes only some overrides on to the training process."""

    id = "GL212"
    name = "overrides-not-passed-on"
    criterion = Criterion.HYDRA
    severity = Severity.MINOR
    sentences = (
        "2.2",
        "2.4",
    )
    summary = "An override that the user gives is accepted by main.py and has no effect on the training."
    why = (
        "main.py composes a configuration of its own and starts src.train with a fixed list of arguments: "
        "wandb.project=other is accepted without a word, and the training logs into the old project."
    )
    remedy = "Pass HydraConfig.get().overrides.task on to the child, or call the training function in the same process."
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
                import subprocess
                import sys

                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    command = [
                        sys.executable, "-u", "-m", "src.train",
                        f"run={cfg.run}", f"mode={cfg.mode}", *sys.argv[3:],
                    ]
                    subprocess.run(command, check=True)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import hydra



                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    print(cfg.training.lr)


                if __name__ == "__main__":
                    main()
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
                import subprocess
                import sys

                import hydra


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    command = [
                        sys.executable, "-u", "-m", "src.train",
                        f"run={cfg.run}", f"mode={cfg.mode}", f"results_dir={cfg.results_dir}",
                    ]
                    subprocess.run(command, check=True)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                import hydra



                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    print(cfg.training.lr)


                if __name__ == "__main__":
                    main()
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
        """Yield a finding where the child's arguments are a fixed list."""
        found = [e for e in subject.derived(entries) if e.module.path == "src/main.py" and e.reads_primary]
        if not found:
            raise NotApplicable("main.py composes no configuration")
        module = found[0].module
        words = {n.attr for n in module.nodes if isinstance(n, ast.Attribute)}
        if words & {"overrides", "argv"} or "overrides" in module.imports or "argv" in module.imports:
            return
        for call in module.calls("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.Popen"):
            given = call.args[0] if call.args else None
            listed = module.assigned(given) if isinstance(given, ast.Name) else given
            if not isinstance(listed, ast.List) or any(isinstance(item, ast.Starred) for item in listed.elts):
                continue
            texts = [module.string(item) for item in listed.elts]
            keys = [text.partition("=")[0] for text in texts if text and "=" in text and text[:1] != "-"]
            if "src.train" in texts and "run" in keys:
                text = f"the child gets {', '.join(keys)} alone: every other override of the command is dropped"
                yield self.at(module, call, text)
