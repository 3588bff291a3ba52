"""Where the configuration goes: which keys the code reads, in which runs they are missing, what it writes and loads.

Every run in both modes is one scenario. The programs of the contract (``src.main``, ``src.train``, ``src.evaluate``)
are followed from their top level through functions, classes, closures and callbacks, with the composed configuration of
each scenario in hand; what unknown code gets to see counts as read there and may be anything afterwards.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from greenlight.review.engines.composition import Composition, Entry, entries
from greenlight.review.engines.config_calls import Calls
from greenlight.review.engines.config_events import Access
from greenlight.review.engines.config_values import HOLE, Fn, Path, Ref, Root, Scenario, Value, leaves
from greenlight.review.engines.run_stores import RunStores
from greenlight.review.module import Module, walk
from greenlight.review.subject import Subject

_PROGRAMS = ("src/main.py", "src/train.py", "src/evaluate.py")
_MOST_RUNS = 6
_INTERPOLATION = re.compile(r"\$\{([A-Za-z_][\w.-]*)\}")


def _differing(runs: list[str], subject: Subject) -> list[str]:
    """Return the runs that are followed: where there are many, those first whose files have other keys."""
    if len(runs) <= _MOST_RUNS:
        return runs
    seen: set[frozenset[Path]] = set()
    later: list[tuple[bool, int]] = []
    for run_id in runs:
        keys = frozenset(path for path, _ in subject.runs[run_id].leaves)
        later.append((keys in seen, len(later)))
        seen.add(keys)
    return [runs[place] for place in sorted(place for _, place in sorted(later)[:_MOST_RUNS])]


class ConfigFlow(Calls):
    """What the programs do with the configuration.

    Attributes
    ----------
    known
        Whether config/config.yaml and at least one run file can be read, so that keys can be missed.
    followed
        Whether a composed configuration was followed into the program.
    documented
        The modules that one of the documented commands runs.
    """

    def __init__(self, subject: Subject) -> None:
        runs = _differing(
            [run_id for run_id, file in subject.runs.items() if file.error is None and file.data], subject
        )
        self.composition = subject.derived(Composition)
        if not self.composition.known:
            runs = runs[:1]  # without a configuration there is nothing that differs
        scenarios = tuple(Scenario(run_id, mode) for run_id in runs or [""] for mode in ("full", "trial"))
        super().__init__(subject, scenarios)
        self.run_ids = tuple(runs)
        self._entries: Mapping[ast.AST, Entry] = {entry.function: entry for entry in subject.derived(entries)}
        config = subject.config
        self.known = bool(runs) and config is not None and config.error is None and self.composition.known
        main, train = subject.module("src/main.py"), subject.module("src/train.py")
        spawned = main is None or any(
            isinstance(n, ast.Constant)
            and isinstance(n.value, str)
            and ("src.train" in n.value or "train.py" in n.value)
            for n in main.nodes
        )
        self.documented = frozenset({"src.main", "src.evaluate", *(["src.train"] if spawned and train else [])})
        self.followed = False
        store = subject.derived(RunStores).store
        self.stores = frozenset({store.node}) if store is not None else frozenset()
        for path in _PROGRAMS if self.composition.known else ():
            module = subject.module(path)
            if module is not None:
                self.reset()
                self.program = module.name
                self.module_env(module)

    def entry_root(self, target: Fn, args: tuple[Value, ...], kwargs: Mapping[str, Value]) -> Ref | None:
        """Return what Hydra hands to a decorated function that is called without arguments."""
        entry = self._entries.get(target.node)
        if entry is None or args or kwargs or target.args or target.kwargs:
            return None
        trees: list[dict[str, Any]] = []
        opened = []
        for index, scenario in enumerate(self.scenarios):
            command = {"run": scenario.run_id, "results_dir": HOLE, "mode": scenario.mode}
            composed = None
            if self.known and entry.reads_primary and self.composition.known:
                # What Hydra refuses is told once; behind it the configuration is taken as it is meant to be.
                way = self.composition.intended if self.composition.problems else self.composition.hydra
                composed = way(command)
            if composed is None:
                opened.append(index)
            trees.append(composed if composed is not None else dict(command))
        self.followed = self.followed or len(opened) < len(self.scenarios)
        root = Root(trees, struct=True, composed=True)
        for index in opened:
            root.open(index, ())
            root.struct[index] = None
            root.written[index] |= {("mode",), ("run",)}
        return Ref(root, ())

    # -- what came out -----------------------------------------------------------------------------------------

    def missing(self) -> tuple[Access, ...]:
        """Return accesses that fail in some run of a documented program, each place once."""
        found = []
        for (program, _), access in self.accesses.items():
            if program not in self.documented:
                continue
            sure = bool(access.absent)
            everywhere = not access.present and bool(access.absent_guarded) and not self._asks_for(access)
            if sure or everywhere:
                found.append(access)
        return tuple(found)

    @staticmethod
    def _asks_for(access: Access) -> bool:
        """Return whether a condition around an access may be a test of its key in a form that is not recognised."""
        names = set(access.path)
        for around in access.module.ancestors(access.node):
            tests: list[ast.AST] = []
            if isinstance(around, ast.If | ast.IfExp | ast.While):
                tests = [around.test]
            elif isinstance(around, ast.BoolOp | ast.comprehension):
                tests = [around]
            for test in tests:
                for part in walk(test):
                    if isinstance(part, ast.Constant) and part.value in names:
                        return True
        return False

    @cached_property
    def interpolated(self) -> frozenset[Path]:
        """The keys that a configuration file refers to in ``${...}``."""
        files = [*self.subject.runs.values(), *([self.subject.config] if self.subject.config else [])]
        return frozenset(tuple(m.split(".")) for file in files for m in _INTERPOLATION.findall(file.text))

    def is_read(self, path: Path) -> bool:
        """Return whether a key is read, or something that it belongs to is given away."""
        if path in self.reads or path in self.interpolated:
            return True
        if any(path[:length] in self.escaped or path[:length] in self.interpolated for length in range(len(path) + 1)):
            return True
        return any(other[: len(path)] == path for other in self.escaped | self.reads)

    @cached_property
    def other_words(self) -> frozenset[str]:
        """Attribute names and strings in the code that were not recognised as a place in the configuration."""
        words: set[str] = set()
        for module in self.subject.code:
            words |= self._words(module)
        return frozenset(words)

    @cached_property
    def leaves(self) -> frozenset[Path]:
        """Every key that holds a value in some file."""
        files = [*self.subject.runs.values(), *([self.subject.config] if self.subject.config else [])]
        return frozenset(path for file in files for path, _ in file.leaves)

    @cached_property
    def written_words(self) -> frozenset[str]:
        """The last parts of the keys that the code sets."""
        return frozenset(write.path[-1] for write in self.writes.values() if write.path)

    @property
    def unread_defaults(self) -> tuple[Path, ...]:
        """The keys of config.yaml that no run file has and nothing reads."""
        config = self.subject.config
        if self.gave_up or not self.known or not self.followed or config is None:
            return ()
        return tuple(
            path
            for path, _ in config.leaves
            if path
            and not self._is_used(path)
            and not any(run.get(*path) is not None for run in self.subject.runs.values())
        )

    def _words(self, module: Module) -> set[str]:
        words: set[str] = set()
        # The same expression in the same function, where no scenario reaches it.
        alike = {
            (module.function_around(n), ast.dump(n))
            for n in module.nodes
            if isinstance(n, ast.Attribute) and n in self.resolved
        }
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and node not in self.resolved:
                if not alike or (module.function_around(node), ast.dump(node)) not in alike:
                    words.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                words.add(node.target.id)  # a field of a typed view
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                around = module.parent(node)
                inside = around in self.resolved or (around is not None and module.parent(around) in self.resolved)
                said = isinstance(module.statement(node), ast.Raise)
                if not inside and not said and not isinstance(around, ast.Expr) and not re.search(r"\s", node.value):
                    parts = node.value.split(".")
                    # A whole key, as in a table of what a search may set, says nothing about the sections above it.
                    words.update(parts[-1:] if tuple(parts) in self.leaves else re.split(r"[^\w-]+", node.value))
        return words

    def unread(self, run_id: str) -> tuple[Path, ...]:
        """Return the keys of a run file that nothing reads; a mapping none of whose keys is read counts once."""
        if self.gave_up or not self.known or not self.followed or run_id not in self.run_ids:
            return ()
        data = self.subject.runs[run_id].data
        silent = [path for path, _ in leaves(data) if path and not self._is_used(path)]
        return tuple(silent)

    def _is_used(self, path: Path) -> bool:
        return self.is_read(path) or path[-1] in self.other_words

    def scenarios_of(self, numbers: set[int] | frozenset[int]) -> tuple[Scenario, ...]:
        """Return scenarios by their numbers."""
        return tuple(self.scenarios[s] for s in sorted(numbers))

    def runs_of(self, numbers: set[int] | frozenset[int]) -> tuple[str, ...]:
        """Return the ids of the runs in some scenarios."""
        return tuple(dict.fromkeys(scenario.run_id for scenario in self.scenarios_of(numbers)))
