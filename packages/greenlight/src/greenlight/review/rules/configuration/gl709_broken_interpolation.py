"""GL709: an interpolation names a key that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from greenlight.review.criteria import Criterion
from greenlight.review.engines.composition import Composition
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import YamlFile

_NAME = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")


def _defaults(config: YamlFile) -> list[Any]:
    entries = config.get("defaults", default=[])
    return entries if isinstance(entries, list) else [entries]


def _is_own(entry: Any) -> bool:
    """Return whether an entry of the defaults list brings in nothing but run files."""
    if isinstance(entry, dict):
        return all(str(key).split("@")[0] in ("run", "runs") or "hydra/" in str(key) for key in entry)
    return bool(entry == "_self_")


def _has(tree: Any, path: list[str]) -> bool:
    for key in path:
        if not isinstance(tree, dict):
            return False
        if key not in tree:
            return False
        tree = tree[key]
    return True


def _lost(subject: Subject, value: str) -> list[str]:
    """Return the names in a value of Hydra's own settings that the composed configuration of no run has."""
    composition = subject.derived(Composition)
    trees = [
        composition.hydra({"run": run, "results_dir": "", "mode": "full"})
        for run in list(subject.runs)[:3]
        if composition.known
    ]
    if not trees or any(tree is None for tree in trees):
        return []
    names = [name for name in _NAME.findall(value) if name.split(".")[0] != "hydra"]
    return [name for name in names if not any(_has(tree, name.split(".")) for tree in trees)]


class BrokenInterpolation(Rule):
    """An interpolation names a key that does not exist."""

    id = "GL709"
    name = "broken-interpolation"
    criterion = Criterion.CONFIGURATION
    severity = Severity.MAJOR
    sentences = ("7.3",)
    summary = "An interpolation in the configuration names a key that does not exist."
    why = (
        "${training.lr} where no run has training.lr raises InterpolationKeyError as soon as the value is "
        "read, also by to_container(resolve=True)."
    )
    remedy = "Name a key that exists, counted from the top of the configuration."
    valid = (
        {
            "config/config.yaml": """
                results_dir: ???
                out: ${results_dir}/x
                cache: ${oc.env:HOME}/cache
            """,
            "config/runs/a.yaml": """
                run_id: a
                name: ${run_id}
            """,
        },
    )
    invalid = (
        {
            "config/config.yaml": """
                results_dir: ???
                out: ${result_dir}/x
            """,
        },
        {
            "config/runs/a.yaml": """
                run_id: a
                training:
                  lr: 0.1
                  min_lr: ${lr}
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each interpolation that no run resolves."""
        config = subject.config
        if config is not None and (config.error is not None or not all(_is_own(d) for d in _defaults(config))):
            return
        base = config.data if config is not None else {}
        trees = [file.data for file in subject.runs.values() if file.error is None]
        for file in [*([config] if config is not None else []), *subject.runs.values()]:
            own = [base, file.data] if config is not None else [file.data, *trees]
            for path, value in file.leaves:
                if not isinstance(value, str) or not path or path[0] == "defaults" or "\\${" in value:
                    continue
                if path[0] == "hydra":
                    for name in _lost(subject, value):
                        yield self.on(
                            file, file.line(*path), f"{'.'.join(path)} refers to ${{{name}}}, which no run has"
                        )
                    continue
                for name in _NAME.findall(value):
                    known = any(_has(tree, name.split(".")) for tree in (own if file is not config else [base, *trees]))
                    if not known and name.split(".")[0] not in ("hydra", "run", "mode", "results_dir"):
                        text = f"{'.'.join(path)} refers to ${{{name}}}, which does not exist"
                        yield self.on(file, file.line(*path), text)
