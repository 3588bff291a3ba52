"""Read and check the mappings of the command line: ``ID=FOLDER`` and ``ID:CONFIG=FOLDER``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.hub import card
from greenlight.rehearse.standins.hub.formats import KNOWN, data_files, reader_of
from greenlight.rehearse.standins.hub.listing import listed
from greenlight.rehearse.standins.hub.repository import Kind, Part, Repository, why_not_an_id

_CONFIGURATION = re.compile(r"\w[\w.+ -]*", re.ASCII)
_EXAMPLE = {"model": "--model Qwen/Qwen3-0.6B=/models/qwen", "dataset": "--dataset openai/gsm8k=/data/gsm8k"}


def _split(text: str, kind: Kind) -> tuple[str, str | None, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise GreenlightError(f"--{kind} {text}: a mapping is ID=FOLDER; write for instance {_EXAMPLE[kind]}")
    identifier, colon, configuration = name.partition(":")
    if colon and kind == "model":
        raise GreenlightError(f"--model {text}: a model has no configurations; write {identifier}={folder}")
    broken = why_not_an_id(identifier)
    if broken:
        raise GreenlightError(
            f"--{kind} {text}: {broken}, and {identifier!r} is not; write for instance {_EXAMPLE[kind]}"
        )
    if colon and not _CONFIGURATION.fullmatch(configuration):
        raise GreenlightError(
            f"--dataset {text}: a configuration's name is letters, digits, '.', '_', '+', '-' and blanks, and "
            f"{configuration!r} is not; write for instance --dataset openai/gsm8k:main=/data/gsm8k"
        )
    return identifier, configuration or None, Path(folder).expanduser()


def _folder(path: Path, text: str, kind: Kind) -> tuple[Path, list[str]]:
    """Return the folder with links resolved and the paths of the files in it that may be served."""
    option = f"--{kind} {text}"
    if not path.exists():
        raise GreenlightError(f"{option}: {path} does not exist; name the folder that holds the files")
    if not path.is_dir():
        raise GreenlightError(f"{option}: {path} is a file, and a mapping needs a folder; name {path.parent}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise GreenlightError(f"{option}: {path} may not be read by this user; change its permissions")
    folder = path.resolve()
    snapshots = sorted((folder / "snapshots").glob("*")) if folder.name.startswith(("models--", "datasets--")) else []
    if snapshots:
        raise GreenlightError(f"{option}: {path} is the cache of all snapshots, and one is needed; map {snapshots[-1]}")
    files = sorted(file.path for file in listed(folder))
    if not files:
        raise GreenlightError(
            f"{option}: {path} holds no file that may be served (hidden files and links that leave the folder are "
            "not); name the folder that holds the files"
        )
    return folder, files


def model(text: str) -> Repository:
    """Return the model that a mapping ``ID=FOLDER`` names.

    Parameters
    ----------
    text
        For instance ``Qwen/Qwen3-0.6B=/models/qwen``; the folder is one that `transformers` or PEFT loads.

    Raises
    ------
    GreenlightError
        If the text is no such mapping, the id is none, or the folder is missing, empty or no model.
    """
    identifier, _, path = _split(text, "model")
    folder, files = _folder(path, text, "model")
    names = {file for file in files if "/" not in file}
    if not names & {"config.json", "adapter_config.json"} and not any(name.endswith(".gguf") for name in names):
        below = next((file for file in files if file.endswith("/config.json")), None)
        remedy = f"map {folder / below.removesuffix('/config.json')}" if below else "save one with save_pretrained"
        raise GreenlightError(
            f"--model {text}: {path} has no config.json (nor adapter_config.json, nor a .gguf file) and is no model; "
            f"{remedy}"
        )
    return Repository("model", identifier, (Part(folder),))


def dataset(text: str) -> Repository:
    """Return the data set that a mapping ``ID=FOLDER`` or ``ID:CONFIG=FOLDER`` names.

    Parameters
    ----------
    text
        For instance ``openai/gsm8k=/data/gsm8k`` for a whole data set, or ``openai/gsm8k:main=/data/gsm8k`` for one
        configuration of it; mappings of more configurations of the same id are joined by :func:`merge`.

    Raises
    ------
    GreenlightError
        If the text is no such mapping, the id or the name is none, or the folder is missing, empty or without data.
    """
    identifier, configuration, path = _split(text, "dataset")
    folder, files = _folder(path, text, "dataset")
    if not data_files(files) and card.STANDALONE not in files and not _has_configurations(folder, files):
        raise GreenlightError(f"--dataset {text}: {path} holds no data file; a data file is {KNOWN}")
    repository = Repository("dataset", identifier, (Part(folder, configuration),))
    _one_reader(repository, files)
    return repository


def _has_configurations(folder: Path, files: Sequence[str]) -> bool:
    return card.NAME in files and bool(card.read((folder / card.NAME).read_bytes()).metadata.get("configs"))


def _one_reader(repository: Repository, files: Sequence[str]) -> None:
    """Refuse configurations of different formats: the client reads all of them with the reader of the first."""
    if any(not part.configuration and _has_configurations(part.folder, files) for part in repository.parts):
        return
    found = card.found_configurations(repository.id, repository.parts, [_placed(repository, file) for file in files])
    readers = {
        name: {reader_of(path) for paths in splits.values() for path in paths} for name, splits in (found or {}).items()
    }
    mixed = [(name, reader) for name, group in readers.items() for reader in sorted(filter(None, group))]
    if len({reader for _, reader in mixed}) > 1:
        named = ", ".join(f"{name} is {reader}" for name, reader in mixed)
        raise GreenlightError(
            f"--dataset {repository.id}: {named}; `datasets` reads all configurations of one id in one format: convert "
            "them to one, or map them under two ids"
        )


def _placed(repository: Repository, file: str) -> str:
    return repository.parts[0].prefix + file if len(repository.parts) == 1 else file


def merge(repositories: Iterable[Repository]) -> list[Repository]:
    """Return the repositories with the configurations of one data set joined into one, in the order of their ids.

    Parameters
    ----------
    repositories
        What :func:`model`, :func:`dataset` and :func:`greenlight.rehearse.standins.hub.embedded` return.

    Raises
    ------
    GreenlightError
        If an id, or a configuration of it, is mapped twice, or configurations differ in format.
    """
    joined: dict[tuple[Kind, str], Repository] = {}
    for repository in repositories:
        key = repository.kind, repository.id
        earlier = joined.get(key)
        if earlier is None:
            joined[key] = repository
            continue
        for part in repository.parts:
            names = [other.configuration for other in earlier.parts]
            if part.configuration is None or None in names:
                raise GreenlightError(
                    f"--{repository.kind} {repository.id}={part.folder}: {repository.id} is mapped already to "
                    f"{earlier.parts[0].folder}; map an id once, or each configuration as {repository.id}:CONFIG=FOLDER"
                )
            if part.configuration in names:
                raise GreenlightError(
                    f"--dataset {repository.id}:{part.configuration}={part.folder}: this configuration is mapped "
                    "already to another folder; map each name once"
                )
            earlier = replace(earlier, parts=(*earlier.parts, part))
        joined[key] = earlier
    for repository in joined.values():
        if len(repository.parts) > 1:
            _one_reader(
                repository, [part.prefix + file.path for part in repository.parts for file in listed(part.folder)]
            )
    return [joined[key] for key in sorted(joined, key=lambda key: (key[1].lower(), key[0]))]
