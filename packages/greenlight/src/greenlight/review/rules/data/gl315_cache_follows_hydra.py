"""GL315: a relative cache folder is used while Hydra changes the working directory."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject


class CacheFollowsHydra(Rule):
    """``cache_dir=".cache/"`` means another folder in every run."""

    id = "GL315"
    name = "cache-follows-hydra"
    criterion = Criterion.DATA
    severity = Severity.MAJOR
    sentences = ("3.5",)
    summary = "The cache folder is relative while Hydra changes the working directory, so every run downloads anew."
    why = (
        "hydra.main without version_base (or with '1.1') moves the process into outputs/DATE/TIME before it calls the "
        "function. A relative '.cache/' is then made there: seven of them were found after eleven runs."
    )
    remedy = "Give version_base=None to hydra.main (or hydra.job.chdir: false), or make the cache path absolute."
    valid = (
        {
            "src/train.py": """
            import hydra
            from datasets import load_dataset

            @hydra.main(config_path="../config", config_name="config", version_base=None)
            def main(cfg):
                load_dataset("stanfordnlp/imdb", cache_dir=".cache/")
            """
        },
        {
            "src/train.py": """
            import hydra
            from datasets import load_dataset

            @hydra.main(config_path="../config", config_name="config")
            def main(cfg):
                load_dataset("stanfordnlp/imdb", cache_dir=".cache/")
            """,
            "config/config.yaml": "hydra:\n  job:\n    chdir: false\n",
        },
    )
    invalid = (
        {
            "src/train.py": """
            import hydra
            from datasets import load_dataset

            @hydra.main(config_path="../config", config_name="config")
            def main(cfg):
                load_dataset("stanfordnlp/imdb", cache_dir=".cache/")
            """
        },
        {
            "src/train.py": """
            import hydra
            from datasets import load_dataset

            @hydra.main(config_path="../config", version_base="1.3")
            def main(cfg):
                load_dataset("stanfordnlp/imdb", cache_dir=".cache/")
            """,
            "config/config.yaml": "hydra:\n  job:\n    chdir: true\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding, at the first relative cache folder."""
        entries = [m for m in (subject.module("src/train.py"), subject.module("src/main.py")) if m is not None]
        train = next((module for module in entries if any(self._hydra_calls(module))), None)
        if train is None:
            raise NotApplicable("neither src/train.py nor src/main.py has a hydra.main")
        chdir = subject.config.get("hydra", "job", "chdir") if subject.config is not None else None
        changes = [call for call in self._hydra_calls(train) if self._changes(train, call, chdir)]
        if not changes or self._goes_back(subject):
            return
        for path in ("src/preprocess.py", "src/model.py", "src/train.py"):
            module = subject.module(path)
            for node in module.nodes if module is not None else ():
                if module is None or not isinstance(node, ast.keyword) or node.arg != "cache_dir":
                    continue
                folder = self._folder(subject, module, node.value)
                if folder and not folder.startswith(("/", "~")):
                    where = f"{train.path}:{changes[0].lineno}"
                    yield self.at(
                        module,
                        node.value,
                        f"cache_dir {folder!r} is relative, and hydra.main ({where}) changes the working directory",
                    )
                    return

    @staticmethod
    def _folder(subject: Subject, module: Module, node: ast.AST | None) -> str | None:
        """Return the text of a path's beginning, through ``Path``, ``/``, ``str`` and constants of other files."""
        for _ in range(8):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                node = node.left
            elif isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
                plain = isinstance(node.func, ast.Name) and node.func.id == "str"
                if not plain and module.dotted(node.func) != "pathlib.Path":
                    return None
                node = node.args[0]
            elif isinstance(node, ast.Name) and node.id in module.imports:
                source, _, name = module.imports[node.id].rpartition(".")
                home = next((m for m in subject.code if m.name == source), None)
                if home is None:
                    return None
                module = home
                node = next((n for n in home.nodes if isinstance(n, ast.Name) and n.id == name), None)
            elif isinstance(node, ast.Name):
                node = module.assigned(node)
            else:
                break
        folder = module.value(node)
        return folder if isinstance(folder, str) else None

    @staticmethod
    def _hydra_calls(module: Module) -> Iterator[ast.Call]:
        for function in module.functions:
            for decorator in function.decorator_list:
                if isinstance(decorator, ast.Call) and module.dotted(decorator.func) == "hydra.main":
                    yield decorator

    @staticmethod
    def _changes(module: Module, call: ast.Call, chdir: object) -> bool:
        if chdir is not None:
            return chdir is True
        if any(k.arg is None for k in call.keywords) or call.args:
            return False
        base = next((k.value for k in call.keywords if k.arg == "version_base"), None)
        return base is None or module.value(base) == "1.1"

    @staticmethod
    def _goes_back(subject: Subject) -> bool:
        """Return whether some file changes the directory itself, or the child is started with another setting."""
        for module in subject.code:
            if any(True for _ in module.calls("os.chdir")):
                return True
            if any(
                isinstance(n, ast.Constant)
                and isinstance(n.value, str)
                and ("hydra.job.chdir" in n.value or "hydra.run.dir" in n.value)
                for n in module.nodes
            ):
                return True
        return subject.config is not None and subject.config.get("hydra", "run", "dir") in (".", "./")
