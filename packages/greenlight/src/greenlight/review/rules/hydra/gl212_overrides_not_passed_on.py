"""GL212: main.py passes only some overrides on to the training process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import entries
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


def _items(module: Module, given: ast.expr | None, depth: int = 4) -> list[ast.expr] | None:
    """Return the items of a list as far as it is written in the code, lists that are spread in it included."""
    listed = module.assigned(given) if isinstance(given, ast.Name) else given
    if isinstance(listed, ast.BinOp) and isinstance(listed.op, ast.Add) and depth:
        left, right = _items(module, listed.left, depth - 1), _items(module, listed.right, depth - 1)
        return None if left is None or right is None else left + right
    if not isinstance(listed, ast.List) or not depth:
        return None
    found: list[ast.expr] = []
    for item in listed.elts:
        inner = _items(module, item.value, depth - 1) if isinstance(item, ast.Starred) else [item]
        if inner is None:
            return None
        found += inner
    if isinstance(given, ast.Name):
        for node in module.nodes:  # a list that grows
            around = module.parent(node)
            if not isinstance(node, ast.Name) or node.id != given.id:
                continue
            call = module.parent(around) if isinstance(around, ast.Attribute) else None
            if isinstance(call, ast.Call) and getattr(around, "attr", "") == "append" and len(call.args) == 1:
                found.append(call.args[0])
            elif isinstance(around, ast.AugAssign | ast.Attribute):
                return None
    return found


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
            listed = _items(module, call.args[0] if call.args else None)
            if listed is None:
                continue
            texts = [module.string(item) for item in listed]
            keys = [text.partition("=")[0] for text in texts if text and "=" in text and text[:1] != "-"]
            if "src.train" in texts and "run" in keys:
                text = f"the child gets {', '.join(keys)} alone: every other override of the command is dropped"
                yield self.at(module, call, text)
