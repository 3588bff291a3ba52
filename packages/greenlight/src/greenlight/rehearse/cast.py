"""Who plays what: which models and data sets an experiment asks for, and what stands in for each."""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from greenlight.errors import GreenlightError
from greenlight.rehearse.shrinking import leaves_of, training_rows
from greenlight.rehearse.standins import datasets, hub, models
from greenlight.rehearse.standins.hub.repository import Kind, why_not_an_id

_MODEL_KEYS = re.compile(
    r"(?:^|[._])(?:model|backbone|base_model|encoder|tokenizer|teacher|student|pretrained)(?:[._]|$)"
)
_DATA_KEYS = re.compile(r"(?:^|[._])(?:data_?sets?|data|corpus|benchmark)(?:[._]|$)")
_NAME_KEYS = frozenset(
    [
        "name",
        "id",
        "path",
        "hf_id",
        "hub_id",
        "repo",
        "repo_id",
        "name_or_path",
        "model_name_or_path",
        "pretrained",
        "model_name",
        "model_id",
        "dataset_name",
        "dataset_id",
        "hf_name",
        "hf_path",
        "model",
        "dataset",
        "tokenizer",
        "backbone",
        "base_model",
        "pretrained_model",
    ]
)
_CONFIGURATION_KEYS = frozenset({"config", "config_name", "subset", "configuration", "dataset_config", "hf_config"})
_ROWS_TO_TRAIN_ON = 64
LAYERS = 12
"""Layers of a stand-in where two are too few: as many as GPT-2 and BERT have; each costs time."""


class Player(enum.StrEnum):
    """What is served under an id."""

    MAPPED = "folder of the user"
    EMBEDDED = "embedded default"
    STAND_IN = "stand-in"
    GUESSED = "stand-in with guessed columns"
    NOBODY = "nothing"


@dataclass(frozen=True)
class Part:
    """One id and what is served for it; ``detail`` says what of it, or why nothing is."""

    kind: Kind
    id: str
    player: Player
    detail: str


@dataclass(frozen=True)
class Cast:
    """All parts, and the repositories that a hub serves for them."""

    parts: tuple[Part, ...]
    repositories: tuple[hub.Repository, ...]

    @property
    def unplayed(self) -> tuple[Part, ...]:
        """The parts for which nothing is known that could stand in."""
        return tuple(part for part in self.parts if part.player is Player.NOBODY)


@dataclass(frozen=True)
class _Asked:
    models: frozenset[str]
    sets: Mapping[str, frozenset[str]]  # with the configurations that are named beside them


def cast(files: Mapping[str, bytes], mapped: Sequence[hub.Repository], cache: Path) -> Cast:
    """Return what is served to an experiment.

    An id is taken from the configuration files, and from calls of ``from_pretrained`` and ``load_dataset`` with a
    literal.

    Parameters
    ----------
    files
        The experiment's files by path.
    mapped
        What the user serves; it comes before every stand-in.
    cache
        Where stand-ins are made at first use.

    Raises
    ------
    GreenlightError
        If an id is mapped twice, or a library that stand-ins are made with is missing.
    """
    configurations = _configurations(files)
    asked = _asked(files, configurations)
    served = hub.merge(mapped)
    known = {(one.kind, one.id) for one in served}
    for one in list(served):
        whole_id = _whole_id(one.id) if one.kind == "dataset" else None
        if whole_id is not None and ("dataset", whole_id) not in known:
            served.append(hub.Repository("dataset", whole_id, one.parts))
            known.add(("dataset", whole_id))
    parts = [Part(one.kind, one.id, Player.MAPPED, str(one.parts[0].folder)) for one in served]
    for one in hub.embedded(cache / "hub"):
        if (one.kind, one.id) not in known and one.id in asked.models | frozenset(asked.sets):
            served.append(one)
            known.add((one.kind, one.id))
            parts.append(Part(one.kind, one.id, Player.EMBEDDED, "trained on arithmetic word problems"))
    for model_id in sorted(asked.models):
        if ("model", model_id) not in known:
            part, folder = _model(model_id, cache)
            parts.append(part)
            if folder is not None:
                served.append(hub.Repository("model", model_id, (hub.Part(folder.resolve()),)))
    rows = training_rows(
        [leaf for content in configurations.values() for leaf in leaves_of(content)], _ROWS_TO_TRAIN_ON
    )
    reading = "\n".join(
        files[p].decode("utf-8", errors="replace") for p in ("src/preprocess.py", "src/train.py") if p in files
    )
    for set_id, named in sorted(_with_whole_ids(asked.sets).items()):
        if ("dataset", set_id) not in known:
            part, folder = _set(set_id, sorted(named), cache, reading, rows)
            parts.append(part)
            if folder is not None:
                served.append(hub.Repository("dataset", set_id, (hub.Part(folder.resolve()),)))
    return Cast(tuple(parts), tuple(served))


def deepened(shallow: Cast, cache: Path) -> Cast | None:
    """Return a cast whose stand-ins for models have many layers, or None where no model has a stand-in."""
    folders: dict[str, Path] = {}
    parts = []
    for part in shallow.parts:
        if part.kind == "model" and part.player is Player.STAND_IN:
            folders[part.id] = models.folder(part.id, cache / "models", LAYERS)
            parts.append(replace(part, detail=f"{part.detail} in {LAYERS} layers"))
        else:
            parts.append(part)
    repositories = tuple(
        hub.Repository("model", one.id, (hub.Part(folders[one.id].resolve()),))
        if one.kind == "model" and one.id in folders
        else one
        for one in shallow.repositories
    )
    return Cast(tuple(parts), repositories) if folders else None


def _whole_id(short: str) -> str | None:
    """Return the id with its owner where a well-known set is named without; the public hub answers to both."""
    known = None if "/" in short else datasets.data_set(short)
    return None if known is None or known.id == short else known.id


def _with_whole_ids(sets: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    found = dict(sets)
    for short, named in sets.items():
        whole_id = _whole_id(short)
        if whole_id is not None:
            found[whole_id] = found.get(whole_id, frozenset()) | named
    return found


def _model(model_id: str, cache: Path) -> tuple[Part, Path | None]:
    architecture = models.architecture_of(model_id)
    if architecture is None:
        return Part(
            "model", model_id, Player.NOBODY, f"its architecture is not known; map it: --model {model_id}=FOLDER"
        ), None
    folder = models.folder(model_id, cache / "models")
    return Part("model", model_id, Player.STAND_IN, f"tiny {architecture.model_class} with random weights"), folder


def _set(set_id: str, named: Sequence[str], cache: Path, reading: str, rows: int) -> tuple[Part, Path | None]:
    try:
        told = datasets.describe(set_id, reading, named)
        folder = datasets.folder(set_id, cache / "datasets", reading, named, rows)
    except GreenlightError as error:
        if why_not_an_id(set_id) is None:
            raise
        return Part("dataset", set_id, Player.NOBODY, str(error)), None
    columns = next(iter(told.columns.values()))
    detail = f"made-up rows with the columns {', '.join(columns)}"
    if not told.inferred:
        return Part("dataset", set_id, Player.STAND_IN, detail), folder
    return Part("dataset", set_id, Player.GUESSED, f"{detail}, as the code reads them"), folder


# -- what is asked for -------------------------------------------------------------------------------------------------


def _configurations(files: Mapping[str, bytes]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for path, content in files.items():
        if path.startswith("config/") and path.endswith((".yaml", ".yml")):
            try:
                value = yaml.safe_load(content)
            except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
                continue  # the review tells what is the matter with it
            if isinstance(value, Mapping):
                found[path] = value
    return found


def _asked(files: Mapping[str, bytes], configurations: Mapping[str, Mapping[str, Any]]) -> _Asked:
    named_models: set[str] = set()
    named_sets: dict[str, set[str]] = {}
    for content in configurations.values():
        leaves = list(leaves_of(content))
        for path, value in leaves:
            if isinstance(value, str):
                kind = _kind_of(path, value)
                if kind == "model":
                    # A name without its owner is not on the hub. What it is meant to be is, for when it is mended.
                    named_models.add(models.whole_id(value) or value)
                elif kind == "dataset":
                    beside = {str(v) for p, v in leaves if p[:-1] == path[:-1] and p[-1] in _CONFIGURATION_KEYS and v}
                    named_sets.setdefault(value, set()).update(beside)
    for file, source in files.items():
        if file.startswith("src/") and file.endswith(".py"):
            for function, literal in _calls(source):
                if function == "from_pretrained":
                    literal = models.whole_id(literal) or literal
                    if models.architecture_of(literal) or ("/" in literal and why_not_an_id(literal) is None):
                        named_models.add(literal)
                elif datasets.data_set(literal) or why_not_an_id(literal) is None:
                    named_sets.setdefault(literal, set())
    return _Asked(frozenset(named_models), {name: frozenset(found) for name, found in named_sets.items()})


def _kind_of(path: tuple[str, ...], value: str) -> Kind | None:
    """Return what an entry of the configuration names, or None; an id in the tables counts wherever it stands."""
    dotted = ".".join(path).lower()
    if models.architecture_of(value) is not None:
        return "model"
    names_one = path[-1].lower() in _NAME_KEYS or path[-1].isdecimal()
    about_data = _DATA_KEYS.search(dotted) is not None
    if names_one and about_data and datasets.data_set(value) is not None:
        return "dataset"
    if names_one and not about_data and _MODEL_KEYS.search(dotted) and models.whole_id(value) is not None:
        return "model"
    if not names_one or why_not_an_id(value) is not None or value.count("/") != 1 or value.startswith((".", "/")):
        return None
    if about_data:
        return "dataset"
    return "model" if _MODEL_KEYS.search(dotted) else None


def _calls(source: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names of loading functions with the literal that they are called with."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("from_pretrained", "load_dataset") and (literal := _first(node.args)) is not None:
            yield name, literal


def _first(arguments: Iterable[ast.expr]) -> str | None:
    first = next(iter(arguments), None)
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
