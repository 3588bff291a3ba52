"""GL209: a child process is started where Hydra has changed to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import changes_directory, entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import argument, has_open_arguments
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_STARTS = ("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.Popen", "os.system")


class ChildInOutputsFolder(Rule):
    """A child process is started where Hydra has changed to."""

    id = "GL209"
    name = "child-in-outputs-folder"
    criterion = Criterion.HYDRA
    severity = Severity.BLOCKER
    sentences = (
        "2.4",
        "2.5",
    )
    summary = "The child process cannot import src, because Hydra has changed into outputs/<date>/<time>."
    why = (
        "Without version_base (or with 1.1) @hydra.main changes the working directory; python -m "
        "src.train then ends with \"No module named 'src'\". Seen in the documented trial command."
    )
    remedy = "Say version_base=None, or start the child with cwd=hydra.utils.get_original_cwd()."
    valid = (
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
        {
            "src/main.py": """
                import subprocess
                import sys

                import hydra


                @hydra.main(config_path="../config", config_name="config")
                def main(cfg):
                    command = [
                        sys.executable, "-u", "-m", "src.train",
                        f"run={cfg.run}", f"mode={cfg.mode}", f"results_dir={cfg.results_dir}",
                    ]
                    subprocess.run(command, check=True, cwd=hydra.utils.get_original_cwd())


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
        {
            "src/main.py": """
                import subprocess
                import sys

                import hydra


                @hydra.main(config_path="../config", config_name="config")
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
                hydra:
                  job:
                    chdir: false
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


                @hydra.main(config_path="../config", config_name="config")
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
        {
            "src/main.py": """
                import subprocess
                import sys

                import hydra


                @hydra.main(version_base="1.1", config_path="../config", config_name="config")
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
        """Yield one finding for each child that is started in the outputs folder."""
        found = subject.derived(entries)
        if not found:
            raise NotApplicable("no function is under @hydra.main")
        for entry in found:
            module = entry.module
            if entry.version_base == "?" or not changes_directory(subject, entry):
                continue
            words = {n.value for n in module.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            if not any(re.fullmatch(r"(.*-m )?src\.\w+(\s.*)?", word) for word in words) or "PYTHONPATH" in words:
                continue
            if any(module.calls("os.chdir", "contextlib.chdir")):
                continue
            for call in module.calls(*_STARTS):
                if module.function_around(call) is None or has_open_arguments(call):
                    continue
                if argument(call, "cwd") is not None:
                    continue
                text = "Hydra has changed the working directory: the child cannot import src"
                remedy = "say version_base=None in @hydra.main, or pass cwd=hydra.utils.get_original_cwd()"
                yield self.at(module, call, text, remedy)
