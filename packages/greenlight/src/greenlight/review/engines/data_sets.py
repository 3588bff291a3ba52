"""Every call of ``datasets.load_dataset``, with what it loads in each run."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from greenlight.review.engines.public_data import PublicData, public_data
from greenlight.review.engines.run_values import MISSING, RunValues
from greenlight.review.module import Module, argument, has_open_arguments
from greenlight.review.subject import Subject

_BUILDERS = frozenset({"csv", "json", "parquet", "text", "arrow", "imagefolder", "audiofolder", "pandas", "webdataset"})


@dataclass(frozen=True)
class LoadedData:
    """One call of ``load_dataset``.

    Attributes
    ----------
    module, call
        Where it stands.
    pairs
        Name and configuration (None where none is given) over all runs; empty where one is not known.
    splits
        The splits it can ask for; empty where none is given or one is not known.
    whole
        Whether no split is given at all, so that it returns every split by name.
    streaming
        Whether it streams, where that is the same in all runs; None where not known.
    """

    module: Module
    call: ast.Call
    pairs: frozenset[tuple[str, str | None]]
    splits: frozenset[str]
    whole: bool
    streaming: bool | None

    @property
    def public(self) -> tuple[PublicData, ...]:
        """What is known of each pair; empty unless all are known."""
        found = [public_data(name, configuration) for name, configuration in sorted(self.pairs, key=str)]
        return tuple(one for one in found if one is not None) if all(found) else ()


class DataSets:
    """All of them, in order of the files; those that read local files are left out.

    Parameters
    ----------
    subject
        The experiment.
    """

    def __init__(self, subject: Subject) -> None:
        values = subject.derived(RunValues)
        self.loaded: dict[ast.Call, LoadedData] = {}
        for module in subject.code:
            for call in module.calls("datasets.load_dataset", "datasets.load.load_dataset"):
                name, configuration = argument(call, "path", 0), argument(call, "name", 1)
                if module.string(name) in _BUILDERS or any(k.arg in ("data_files", "data_dir") for k in call.keywords):
                    continue
                split = argument(call, "split", 5)
                known = {} if has_open_arguments(call) else self._pairs(values, module, name, configuration)
                streaming = argument(call, "streaming")
                streams = set(values.of(module, streaming).values()) if streaming is not None else {False}
                self.loaded[call] = LoadedData(
                    module,
                    call,
                    frozenset(known),
                    values.strings(module, split),
                    split is None and not has_open_arguments(call),
                    bool(streams.pop()) if len(streams) == 1 and streams <= {True, False} else None,
                )

    @staticmethod
    def _pairs(
        values: RunValues, module: Module, name: ast.expr | None, configuration: ast.expr | None
    ) -> set[tuple[str, str | None]]:
        names = values.of(module, name)
        given = {"": None} if configuration is None else values.of(module, configuration)
        if not names or not given or not all(isinstance(n, str) for n in names.values()):
            return set()
        pairs: set[tuple[str, str | None]] = set()
        for run in names.keys() | given.keys():
            one, other = names.get(run, names.get("")), given.get(run, given.get("", MISSING))
            other = None if other is MISSING and _is_get(module, configuration) else other
            if not isinstance(one, str) or not (other is None or isinstance(other, str)):
                if run == "" and len(names.keys() | given.keys()) > 1:
                    continue
                return set()
            pairs.add((one, other))
        return pairs


def _is_get(module: Module, node: ast.expr | None) -> bool:
    """Return whether an expression is ``x.get("key")``, which is None where there is no such key."""
    if isinstance(node, ast.Name):
        node = module.assigned(node)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and len(node.args) == 1
    )
