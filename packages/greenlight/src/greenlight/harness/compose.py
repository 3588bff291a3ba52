"""Make ``run=<id>`` load ``config/runs/<id>.yaml`` and turn what Hydra composed into a typed, closed configuration.

Each run file is registered as an option of the Hydra group ``run`` with the package ``_global_``: so ``run=<id>`` is an
ordinary group choice, later command-line overrides win over the run file, and struct mode refuses unknown keys. What
struct mode lets through (``+key=value``, a misspelt key inside a run file) is refused by the pydantic schema.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from greenlight.errors import GreenlightError

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a clause that suggests the valid name most like `name`, or lists them all.

    Examples
    --------
    >>> nearest("trainig", ["training", "model"])
    "did you mean 'training'?"
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"valid here: {', '.join(known)}"


def register_runs(folder: Path) -> list[str]:
    """Register every run file of a folder as an option of the Hydra group ``run``.

    Parameters
    ----------
    folder
        The experiment's ``config/runs``.

    Returns
    -------
    list of str
        The run ids, sorted.

    Raises
    ------
    GreenlightError
        If the folder holds no run file, or one is not valid YAML, or its ``run_id`` is not its file name.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise GreenlightError(f"{folder}: an experiment has at least one run file; add config/runs/<run_id>.yaml")
    store = ConfigStore.instance()
    for file in files:
        try:
            content = OmegaConf.load(file)
        except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
            raise GreenlightError(f"{file}: not a valid run file: {' '.join(str(error).split())}; mend it") from error
        if not isinstance(content, DictConfig) or content.get("run_id") != file.stem:
            found = content.get("run_id") if isinstance(content, DictConfig) else None
            raise GreenlightError(
                f"{file}: run_id {found!r}: a run file's run_id is its file name; set run_id: {file.stem}"
            )
        store.store(group="run", name=file.stem, node=content, package="_global_")
    return [file.stem for file in files]


def check_command(arguments: Sequence[str], run_ids: Iterable[str]) -> None:
    """Check what every command line says: the run, the mode, and where results go.

    This needs no schema, so a mistake is answered before anything heavy is imported.

    Parameters
    ----------
    arguments
        The command line without the program, for instance ``["run=a", "mode=full", "results_dir=r"]``.
    run_ids
        The ids that ``run=`` may name.

    Raises
    ------
    GreenlightError
        If ``run`` or ``mode`` or ``results_dir`` is missing or unknown, or an argument is not ``key=value``.
    """
    if _asks_for_help(arguments):
        return
    known_runs = list(run_ids)
    given = {override.key_or_group: override.value() for override in _parsed(arguments)}
    if not given.get("run"):
        raise GreenlightError(f"run is missing: say which run, run=<id>; {nearest('', known_runs)}")
    if given["run"] not in known_runs:
        raise GreenlightError(
            f"run={given['run']}: no such file in config/runs; {nearest(str(given['run']), known_runs)}"
        )
    if given.get("mode") not in ("trial", "full"):
        shown = f"mode={given['mode']}" if given.get("mode") else "mode is missing"
        raise GreenlightError(f"{shown}: say mode=trial (two batches, nothing tracked) or mode=full")
    if not given.get("results_dir"):
        raise GreenlightError("results_dir is missing: say where results go, results_dir=<path>")


def check_keys(arguments: Sequence[str], schema: type[BaseModel]) -> None:
    """Check that every overridden key exists, before Hydra does: its own message advises to add the key with ``+``.

    Parameters
    ----------
    arguments
        The command line without the program.
    schema
        The configuration class whose keys may be overridden.

    Raises
    ------
    GreenlightError
        If a key does not exist; the message names the nearest one.
    """
    if _asks_for_help(arguments):
        return
    for override in _parsed(arguments):
        path = override.key_or_group
        if path not in ("run", "hydra") and not path.startswith("hydra."):
            _check_path(path, schema)


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return any(word in ("--help", "-h", "--hydra-help", "--version") for word in arguments)


def _parsed(arguments: Sequence[str]) -> list[Override]:
    words = [word for word in arguments if not word.startswith("-")]
    try:
        return OverridesParser.create().parse_overrides(words)
    except HydraException as error:
        raise GreenlightError(f"{' '.join(str(error).split())}; arguments have the form key=value") from error


def _check_path(path: str, schema: type[BaseModel]) -> None:
    here: type[BaseModel] | None = schema
    walked: list[str] = []
    for part in path.split("."):
        if here is None or here.model_config.get("extra") == "allow":
            return
        if part not in here.model_fields:
            place = f"in '{'.'.join(walked)}'" if walked else "at the top"
            raise GreenlightError(f"{path}: no key '{part}' {place}; {nearest(part, here.model_fields)}")
        walked.append(part)
        here = next(_models(here.model_fields[part].annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _models(option)


def validated(cfg: DictConfig, schema: type[ConfigT]) -> ConfigT:
    """Return the composed configuration as an instance of `schema`.

    Raises
    ------
    GreenlightError
        One line that names every key that is unknown, missing or out of range.
    """
    try:
        content = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise GreenlightError(f"configuration: {' '.join(str(error).split())}; give it a value") from error
    return validated_values(content, schema)


def validated_values(content: Any, schema: type[ConfigT]) -> ConfigT:
    """Return nested plain values as an instance of `schema`; see :func:`validated`."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise GreenlightError("; ".join(_sentence(detail, schema) for detail in error.errors())) from error


def _sentence(detail: Any, schema: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        try:
            _check_path(path, schema)
        except GreenlightError as error:
            return str(error)
        return f"{path}: no such key; remove it"
    if detail["type"] == "missing":
        return f"{path}: missing; set it in the run file"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path or 'configuration'}: {message}" if _names_value(detail) else f"{path}={detail['input']}: {message}"


def _names_value(detail: Any) -> bool:
    return detail["type"] == "value_error" or isinstance(detail["input"], dict)
