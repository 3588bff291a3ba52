"""GL511: a library is imported that pyproject.toml does not declare."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from greenlight.review.criteria import Criterion
from greenlight.review.engines.distributions import providers
from greenlight.review.engines.requirements import Requirements
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import CODE, Subject

_STANDARD = frozenset(sys.stdlib_module_names) | {"__main__", "_typeshed"}


class UndeclaredImport(Rule):
    """An import of a library that is not among the dependencies."""

    id = "GL511"
    name = "undeclared-import"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.4",)
    summary = "A library is imported that is not declared, so that it is missing where the experiment is installed."
    why = (
        "uv installs what pyproject.toml declares into a fresh environment; whatever else the author's machine had is "
        "not there. A library that comes along with another one today is a minor matter, one that nothing brings ends "
        "the run on its import."
    )
    remedy = "Add the distribution to project.dependencies."
    valid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                dependencies = ["scikit-learn>=1.4", "pyyaml", "numpy"]
            """,
            "src/train.py": """
                import json
                import numpy as np
                import yaml
                from sklearn.metrics import f1_score
                from src.model import build

                try:
                    import flash_attn
                except ImportError:
                    flash_attn = None
            """,
        },
    )
    invalid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                dependencies = ["pandas>=2.2"]
            """,
            "src/evaluate.py": "import numpy as np\nimport pandas as pd\nimport seaborn as sns\n",
        },
        {
            "pyproject.toml": '[project]\nname = "study"\nversion = "0.1.0"\n',
            "src/train.py": "import torch\nimport wandb\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each distribution, or one for all where nothing is declared."""
        requirements = subject.derived(Requirements)
        file = requirements.file
        if file is None or requirements.is_open or not isinstance(file.get("project"), dict):
            return
        needed: dict[str, tuple[Module, ast.stmt, str]] = {}
        for module, node, top in _imports(subject):
            offered = providers(top)
            if offered:
                if not any(name in requirements.names for name in offered):
                    needed.setdefault(offered[0], (module, node, top))
            elif _is_unmatched(top, requirements):
                needed.setdefault(top.replace("_", "-").lower(), (module, node, top))
        if not needed:
            return
        own = canonicalize_name(str(file.get("project", "name", default="")))
        needed.pop(own, None)
        if not requirements.names and needed:
            listed = ", ".join(needed)
            yield self.on(
                file,
                file.line("project", "dependencies"),
                f"pyproject.toml declares no dependencies; the code imports {listed}",
                "add dependencies = [...] with these to [project]",
            )
            return
        if not requirements.all_known:
            return  # what the others bring along is not known
        for name, (module, node, top) in needed.items():
            if name in _COMPANIONS and _COMPANIONS[name] & requirements.names:
                continue
            along = name in requirements.brought
            yield self.at(
                module,
                node,
                f"{top} is imported, and pyproject.toml does not declare {name}"
                + ("; it comes along with another package only" if along else ""),
                f'add "{name}" to project.dependencies',
                severity=Severity.MINOR if along else Severity.BLOCKER,
                confidence="proven" if providers(top) else "likely",
            )


# Libraries whose interface is in part another library's: to import that one too is customary.
_COMPANIONS = {
    "omegaconf": {"hydra-core"},
    "huggingface-hub": {"transformers", "datasets", "peft", "accelerate", "evaluate", "sentence-transformers", "timm"},
    "tokenizers": {"transformers"},
    "safetensors": {"transformers", "peft", "accelerate"},
    "typing-extensions": {"torch", "pydantic", "wandb"},
    "triton": {"torch"},
}


def _imports(subject: Subject) -> Iterator[tuple[Module, ast.stmt, str]]:
    """Yield the libraries that the five files surely import: module, statement, name."""
    own = {path.partition("/")[0] for path in subject.submission.files if "/" in path}
    own |= {module.name.partition(".")[0] for module in subject.code}
    own |= {module.name.rpartition(".")[2] for module in subject.code}
    own |= {path.partition("/")[0] for path in subject.submission.others if "/" in path}
    for module in subject.code:
        if module.path not in CODE:
            continue
        for node in module.nodes:
            if isinstance(node, ast.Import):
                tops = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                tops = [node.module.partition(".")[0]]
            else:
                continue
            if any(_is_optional(around) for around in module.ancestors(node)):
                continue
            for top in tops:
                if top not in _STANDARD and top not in own:
                    yield module, node, top


def _is_optional(around: ast.AST) -> bool:
    """Return whether what stands inside is tried, or is asked for under a condition."""
    return isinstance(around, ast.Try | ast.If) or type(around).__name__ == "TryStar"


def _is_unmatched(top: str, requirements: Requirements) -> bool:
    """Return whether an import name that is not known surely belongs to none of what is declared."""
    plain = canonicalize_name(top)
    if any(plain in name or name in plain for name in requirements.names):
        return False
    return requirements.all_known
