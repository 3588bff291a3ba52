"""What is handed in for review: the files of an experiment as bytes, wherever they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from greenlight.contract.bundle import files_of_bundle
from greenlight.contract.folder import files_of_folder
from greenlight.contract.recorded_prompt import is_recorded_prompt, parts_of_prompt
from greenlight.errors import GreenlightError

Form = Literal["folder", "bundle", "prompt"]

RUN_FOLDERS = ("config/runs", "config/run")  # the contract's, and the one that older generated experiments use
_LARGEST_INPUT = 64 * 2**20


@dataclass(frozen=True)
class Submission:
    """An experiment as it was handed in; nothing of it has been parsed or run.

    Attributes
    ----------
    name
        What a report calls it.
    form
        How it came.
    files
        Content by relative path with forward slashes.
    others
        Relative paths of files whose content was not read: they are neither code nor configuration.
    unread
        Why a file that should have been read was not, by its path.
    hypothesis
        The research hypothesis as text, where one came along.
    root
        The folder, or None where there is none.
    """

    name: str
    form: Form
    files: Mapping[str, bytes]
    others: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    hypothesis: str | None = None
    root: Path | None = None

    @property
    def run_files(self) -> dict[str, str]:
        """Return the path of each run's file by run id: the file's name without ``.yaml``."""
        found: dict[str, str] = {}
        for folder in reversed(RUN_FOLDERS):
            for path in self.files:
                parent, _, name = path.rpartition("/")
                if parent == folder and name.endswith((".yaml", ".yml")):
                    found[name.rpartition(".")[0]] = path
        return dict(sorted(found.items()))


def submission(path: Path) -> Submission:
    """Read a folder, a JSON bundle of the seven files, or a recorded prompt.

    Parameters
    ----------
    path
        A folder; or a file that holds a JSON object with the fields ``train_py``, ``evaluate_py``, ``preprocess_py``,
        ``model_py``, ``main_py``, ``pyproject_toml``, ``config_yaml`` and optionally ``runs`` and ``hypothesis``; or a
        recorded prompt whose text holds such an object.

    Raises
    ------
    GreenlightError
        If there is nothing to read, or what is there is none of the three.
    """
    if path.is_dir():
        files, others, unread = files_of_folder(path)
        return Submission(path.resolve().name, "folder", files, others, unread, root=path.resolve())
    if not path.is_file():
        raise GreenlightError(f"{path}: no such folder or file; name an experiment's folder, a bundle or a prompt")
    if path.stat().st_size > _LARGEST_INPUT:
        raise GreenlightError(f"{path}: {path.stat().st_size} bytes; a bundle or prompt has at most {_LARGEST_INPUT}")
    text = path.read_bytes().decode("utf-8", errors="replace")
    if is_recorded_prompt(text):
        bundle, hypothesis = parts_of_prompt(text, str(path))
        return Submission(path.name, "prompt", files_of_bundle(bundle, str(path)), hypothesis=hypothesis)
    try:
        bundle = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GreenlightError(
            f"{path}: no folder, no JSON bundle ({_first_line(error)}), no recorded prompt; name one of them"
        ) from error
    files = files_of_bundle(bundle, str(path))
    said = bundle.get("hypothesis")
    return Submission(
        path.name, "bundle", files, hypothesis=said if said is None or isinstance(said, str) else json.dumps(said)
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
