"""What Hydra composes from config/config.yaml and a run file for the documented command, without Hydra.

Only what the contract's commands need is modelled: the defaults list of the primary configuration, groups, packages,
run files that the program stores itself (`run_stores`), and the three overrides ``run=``, ``results_dir=`` and
``mode=``. Where anything else has a say (a schema in the ``ConfigStore``, a search path, a rewritten ``sys.argv``,
nested defaults lists) the composition is *unknown*, and what rests on it is silent.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from greenlight.review.engines.run_stores import RunStores, Store
from greenlight.review.module import Function, Module, argument
from greenlight.review.subject import Subject
from greenlight.review.yaml_file import YamlFile

PRIMARY = "config/config.yaml"
COMMAND = ("run", "results_dir", "mode")
"""The keys of the documented command."""

ProblemKind = Literal["key", "group", "unresolved", "fixed", "package", "missing"]
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(?P<name>\S+)\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^(?:(?P<word>override|optional)\s+)?(?P<group>[^@\s]+)(?:@(?P<package>\S+))?$")


@dataclass(frozen=True)
class Problem:
    """Why the documented command does not load the run file.

    Attributes
    ----------
    kind
        ``key``: Hydra rejects an override because the key does not exist; ``group``: because a folder of that name
        makes it a group that the defaults list does not have; ``unresolved``: an entry of the defaults list cannot be
        resolved; ``fixed``: the entry names one run whatever the command says; ``package``: the run file's keys end up
        below the group's name; ``missing``: the entry names a file that is not there.
    subject
        The key or the entry as it is written.
    line
        Its line in config/config.yaml, 1 where it does not stand there.
    path
        The file that is not there, for ``missing``.
    """

    kind: ProblemKind
    subject: str
    line: int
    path: str = ""


@dataclass(frozen=True)
class Default:
    """An entry of the defaults list: ``word group@package: value``, or a plain file with an empty group."""

    group: str
    value: Any
    package: str | None
    word: str
    line: int
    text: str


class Composition:
    """The configuration that ``@hydra.main`` hands to the program, run by run.

    Attributes
    ----------
    known
        Whether it can be told at all.
    defaults
        The entries of the defaults list, those for Hydra itself left out.
    run_entry
        The entry through which a run file comes in, or None where the program has to load it.
    problems
        What keeps the documented command from loading the run file, from Hydra's side.
    store
        The run files that the program puts into Hydra's store; None where a folder of the group's name has them.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.store: Store | None = None
        stored = subject.derived(RunStores).store
        if stored is not None and not self.has_group(stored.group):
            self.store = stored
        config = subject.config
        self.known = config is not None and config.error is None and bool(config.data) and not _has_other_ways(subject)
        self.defaults: tuple[Default, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.run_entry: Default | None = None
        if config is None or not self.known:
            return
        self._config: YamlFile = config
        entries = config.data.get("defaults", [])
        if not isinstance(entries, list):
            self.known = False
            return
        self.defaults = tuple(self._entries(entries))
        self.run_entry = next((d for d in self.defaults if d.group in ("run", "runs")), None)
        if any(not self._can_be_read(default) for default in self.defaults):
            self.known = False
            return
        self.problems = tuple(self._problems())

    # -- the defaults list -------------------------------------------------------------------------------------

    def _entries(self, entries: list[Any]) -> list[Default]:
        found = []
        for index, entry in enumerate(entries):
            line = self._config.line("defaults", str(index))
            if isinstance(entry, str):
                found.append(Default("", entry, None, "", line, entry))
            elif isinstance(entry, dict) and len(entry) == 1:
                key, value = next(iter(entry.items()))
                match = _ENTRY.match(key)
                if match is None or match["group"].split("/")[0] == "hydra":
                    continue
                shown = "null" if value is None else value
                word = match["word"] or ""
                found.append(Default(match["group"], value, match["package"], word, line, f"{key}: {shown}"))
        return found

    def _can_be_read(self, default: Default) -> bool:
        """Return whether an entry is of a kind that is modelled here."""
        if isinstance(default.value, list | dict) or default.word == "override":
            return False
        if default.package not in (None, "_global_"):
            return False  # such programs translate run= into another override themselves
        file = self._file(default, default.value)
        return file is None or (file.error is None and "defaults" not in file.data)

    def _is_stored(self, default: Default) -> bool:
        return self.store is not None and self.store.group == default.group

    def _file(self, default: Default, value: Any) -> YamlFile | None:
        if self._is_stored(default):
            return self._subject.runs.get(str(value))
        path = self.path(default, value)
        known = next((file for file in self._subject.runs.values() if file.path == path), None)
        if known is not None:
            return known
        content = self._subject.submission.files.get(path)
        return None if content is None else YamlFile(path, content)

    @staticmethod
    def path(default: Default, value: Any) -> str:
        """Return the path of the file that an entry reads for a value."""
        return f"config/{default.group}/{value}.yaml" if default.group else f"config/{value}.yaml"

    def has_group(self, name: str) -> bool:
        """Return whether there is a folder of a group's name below config."""
        if self.store is not None and self.store.group == name:
            return True
        return any(path.startswith(f"config/{name}/") for path in self._subject.submission.files)

    def _problems(self) -> list[Problem]:
        found = []
        groups = {d.group for d in self.defaults if d.group and d.package is None}
        for default in self.defaults:
            value = default.value
            if default.value == "_self_" and not default.group:
                continue
            if isinstance(value, str) and "${" in value:
                names = re.findall(r"\$\{([^{}:]+)\}", value)
                if any(name not in groups for name in names):
                    found.append(Problem("unresolved", default.text, default.line))
            elif value == "???" and default.group not in COMMAND:
                found.append(Problem("unresolved", default.text, default.line))
            elif default.group == "run" and default.package is None and not self.has_group("run"):
                found.append(Problem("missing", default.text, default.line, "config/run/<run id>.yaml"))
            elif default.group == "runs" and isinstance(value, str) and len(self._subject.runs) > 1:
                found.append(Problem("fixed", default.text, default.line))
            elif isinstance(value, str | int | float) and value != "???" and default.word != "optional":
                path = self.path(default, value)
                chosen_later = (default.group == "run" and default.package is None) or self._is_stored(default)
                if path not in self._subject.submission.files and not chosen_later:
                    found.append(Problem("missing", default.text, default.line, path))
        for key in COMMAND:
            if key in groups:
                continue  # what is not there is told with the entry of the defaults list
            if self.has_group(key):
                found.append(Problem("group", key, self._config.line(key)))
            elif key not in self._config.data and not any(key in self._content(d) for d in self.defaults):
                found.append(Problem("key", key, 1))
        if self.run_entry is not None and self._package(self.run_entry) not in ("", None):
            found.append(Problem("package", self.run_entry.text, self.run_entry.line))
        return found

    def _content(self, default: Default) -> Mapping[str, Any]:
        if self._package(default) != "":
            return {}
        if default.group in ("run", "runs"):
            every = [file.data for file in self._subject.runs.values()]
            return dict.fromkeys(set.intersection(*map(set, every))) if every else {}
        file = self._file(default, default.value)
        return file.data if file is not None else {}

    def _package(self, default: Default) -> str | None:
        """Return where an entry's content goes, "" for the top; None where its files disagree."""
        if default.package is not None:
            return "" if default.package == "_global_" else default.package
        if self.store is not None and self._is_stored(default):
            stored = self.store.package or default.group  # a comment in the file says nothing there
            return "" if stored == "_global_" else stored.replace("_group_", default.group)
        if default.group in ("run", "runs"):
            texts = [file.text for path, file in self._group_files(default.group)]
        else:
            file = self._file(default, default.value)
            texts = [file.text] if file is not None else []
        group = default.group.replace("/", ".")
        names = {m["name"] if (m := _PACKAGE.search(text)) else group for text in texts} or {group}
        name = next(iter(names))
        return None if len(names) > 1 else "" if name == "_global_" else name.replace("_group_", group)

    def _group_files(self, group: str) -> list[tuple[str, YamlFile]]:
        return [(f.path, f) for f in self._subject.runs.values() if f.path.startswith(f"config/{group}/")]

    # -- what comes out ----------------------------------------------------------------------------------------

    def hydra(self, command: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what Hydra composes for the command's values; None where it fails or cannot be told."""
        refusals = [p for p in self.problems if p.kind not in ("fixed", "package")]
        if not self.known or refusals:
            return None
        composed: dict[str, Any] = {}
        own = {key: value for key, value in self._config.data.items() if key not in ("defaults", "hydra")}
        entries = list(self.defaults)
        if not any(not d.group and d.value == "_self_" for d in entries):
            entries.append(Default("", "_self_", None, "", 1, "_self_"))  # Hydra 1.3: the file's own keys win
        given = dict(command)
        for default in entries:
            if not default.group and default.value == "_self_":
                merge(composed, own)
                continue
            value = given.pop("run") if default.group == "run" and "run" in given else default.value
            if value is None:
                continue
            file = self._file(default, value)
            if file is None and default.group != "run" and default.word != "optional":
                return None
            package = self._package(default)
            if package is None:
                return None
            if file is None:
                continue
            content: Any = deepcopy(file.data)
            for name in reversed(package.split(".") if package else []):
                content = {name: content}
            merge(composed, content)
        merge(composed, given)
        return composed

    def intended(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the program is meant to get: config.yaml, the run file over it, and the command's values."""
        config = self._subject.config
        composed = {k: v for k, v in (config.data if config else {}).items() if k not in ("defaults", "hydra")}
        composed = deepcopy(composed)
        run = self._subject.runs.get(command["run"])
        merge(composed, run.data if run is not None else {})
        merge(composed, command)
        return composed

    @property
    def loads_run_file(self) -> bool:
        """Whether Hydra itself brings the run file in."""
        return self.run_entry is not None


def merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Merge a mapping into another as OmegaConf does: mappings key by key, everything else is replaced."""
    for key, value in other.items():
        mine = into.get(key)
        if isinstance(mine, dict) and isinstance(value, dict):
            merge(mine, value)
        else:
            into[key] = deepcopy(value)


@dataclass(frozen=True)
class Entry:
    """A function under ``@hydra.main``.

    Attributes
    ----------
    folder
        The configuration folder relative to the experiment, None where it cannot be told or is absolute.
    config_name
        Without ``.yaml``; None where it cannot be told.
    version_base
        ``"1.1"`` where it is not given, which is what Hydra 1.3 assumes; ``"now"`` for None; "?" where unknown.
    """

    module: Module
    function: Function
    decorator: ast.expr
    folder: str | None
    config_name: str | None
    version_base: str
    has_version_base: bool

    @property
    def reads_primary(self) -> bool:
        """Whether it composes config/config.yaml."""
        return self.folder == "config" and self.config_name == "config"


def entries(subject: Subject) -> tuple[Entry, ...]:
    """Return every function under ``@hydra.main`` of the experiment's code."""
    return tuple(
        _entry(module, function, decorator)
        for module in subject.code
        for function in module.functions
        for decorator in function.decorator_list
        if module.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) in _MAINS
    )


_MAINS = ("hydra.main", "hydra.main.main")


def _entry(module: Module, function: Function, decorator: ast.expr) -> Entry:
    if not isinstance(decorator, ast.Call) or any(k.arg is None for k in decorator.keywords):
        return Entry(module, function, decorator, None, None, "?", True)
    path = argument(decorator, "config_path", 0)
    name = argument(decorator, "config_name", 1)
    base = argument(decorator, "version_base", 2)
    text = None if path is None else module.value(path)
    folder = joined(module.path.rpartition("/")[0], text) if isinstance(text, str) else None
    called = module.value(name) if name is not None else None
    version = module.value(base) if base is not None else "1.1"
    shown = "now" if version is None else version if isinstance(version, str) else "?"
    stem = called.removesuffix(".yaml") if isinstance(called, str) else None
    return Entry(module, function, decorator, folder, stem, shown, base is not None)


def joined(folder: str, relative: str) -> str | None:
    """Return a path relative to a folder, normalised; None where it leaves the experiment or is absolute."""
    if relative.startswith(("/", "pkg://", "~")):
        return None
    parts = folder.split("/") if folder else []
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def changes_directory(subject: Subject, entry: Entry) -> bool:
    """Return whether Hydra runs an entry in a new outputs folder instead of where the command was given."""
    chdir = subject.config.get("hydra", "job", "chdir") if subject.config is not None else None
    directory = subject.config.get("hydra", "run", "dir") if subject.config is not None else None
    if directory == ".":
        return False
    if isinstance(chdir, bool):
        return chdir
    return entry.version_base in ("1.0", "1.1")


def _has_other_ways(subject: Subject) -> bool:
    """Return whether something besides config/ has a say in what is composed."""
    if subject.config is not None and subject.config.get("hydra", "searchpath") is not None:
        return True
    if subject.derived(RunStores).unclear:
        return True
    for module in subject.code:
        for node in module.nodes:
            if not isinstance(node, ast.Attribute) or node.attr != "argv" or module.dotted(node) != "sys.argv":
                continue
            if _rewrites(module, node):
                return True
    return False


def _rewrites(module: Module, node: ast.Attribute) -> bool:
    around = module.parent(node)
    if isinstance(node.ctx, ast.Store) or isinstance(around, ast.AugAssign):
        return True
    if isinstance(around, ast.Subscript) and isinstance(around.ctx, ast.Store | ast.Del):
        return True
    return isinstance(around, ast.Attribute) and around.attr in ("append", "insert", "extend", "remove", "pop", "clear")
