"""A bundle: the seven files of an experiment as fields of one JSON object, and its runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from greenlight.errors import GreenlightError

FIELDS: Mapping[str, str] = {
    "train_py": "src/train.py",
    "evaluate_py": "src/evaluate.py",
    "preprocess_py": "src/preprocess.py",
    "model_py": "src/model.py",
    "main_py": "src/main.py",
    "pyproject_toml": "pyproject.toml",
    "config_yaml": "config/config.yaml",
}
# A run id becomes a file's name; it never leads out of the folder.
_RUN_ID = re.compile(r"[A-Za-z0-9][\w.@+-]*\Z")


def files_of_bundle(bundle: Any, where: str) -> dict[str, bytes]:
    """Return the files of a bundle by their paths in an experiment.

    Each string is decoded as JSON once and taken as it stands. A field that is missing is a file that is missing; an
    empty one is an empty file.

    Parameters
    ----------
    bundle
        The parsed JSON object. ``runs`` is a list of objects with ``run_id`` and ``config`` (YAML text or an object),
        or an object of those by run id.
    where
        What an error calls the bundle.

    Raises
    ------
    GreenlightError
        For something that is no bundle, a field that is no text, or a run id that is no file name.
    """
    if not isinstance(bundle, dict) or not any(name in bundle for name in FIELDS):
        raise GreenlightError(
            f"{where}: no field of a bundle in it; it is a JSON object with {', '.join(FIELDS)}, runs, hypothesis"
        )
    files: dict[str, bytes] = {}
    for name, path in FIELDS.items():
        if name not in bundle:
            continue
        if not isinstance(bundle[name], str):
            raise GreenlightError(f"{where}: {name} is a {type(bundle[name]).__name__}; give its text")
        files[path] = bundle[name].encode("utf-8", errors="surrogatepass")
    for run_id, text in _runs(bundle.get("runs"), where):
        if not _RUN_ID.match(run_id):
            raise GreenlightError(f"{where}: run id {run_id!r} is no file name; use letters, digits, '.', '-' and '_'")
        files[f"config/runs/{run_id}.yaml"] = text.encode("utf-8", errors="surrogatepass")
    return files


def _runs(runs: Any, where: str) -> Iterator[tuple[str, str]]:
    if runs is None:
        return
    if isinstance(runs, dict):
        runs = [{"run_id": key, "config": value} for key, value in runs.items()]
    if not isinstance(runs, list):
        raise GreenlightError(
            f"{where}: runs is a {type(runs).__name__}; it is a list of objects with run_id and config"
        )
    for number, run in enumerate(runs):
        if not isinstance(run, dict) or not isinstance(run.get("run_id"), str):
            raise GreenlightError(f"{where}: runs[{number}] has no run_id; a run is an object with run_id and config")
        config = run.get("config", run.get("run_config", run.get("config_content", {})))
        if isinstance(config, str):
            yield run["run_id"], config
        elif isinstance(config, dict):
            yield run["run_id"], yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True)
        else:
            raise GreenlightError(
                f"{where}: the config of run {run['run_id']} is a {type(config).__name__}; give YAML text or an object"
            )
