"""What ``[tool.greenlight]`` of the nearest pyproject.toml says."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenlight.errors import GreenlightError

_KEYS = {"select": list, "ignore": list, "baseline": str}


@dataclass(frozen=True)
class Settings:
    """Which rules run and which findings are known.

    Attributes
    ----------
    select, ignore
        Ids, names and prefixes of rules; nothing selected means all.
    baseline
        The file of known findings.
    source
        The pyproject.toml that says so, or None.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    baseline: Path | None = None
    source: Path | None = None


def settings_for(folder: Path) -> Settings:
    """Return the settings of a folder: those of the nearest pyproject.toml upwards that has the table.

    The search ends at the root of a git repository.

    Raises
    ------
    GreenlightError
        For an unknown key, naming the nearest, or a value of another type.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        file = place / "pyproject.toml"
        if file.is_file():
            table = _table(file)
            if table is not None:
                return _settings(table, file)
        if (place / ".git").exists():
            break
    return Settings()


def _table(file: Path) -> dict[str, Any] | None:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("greenlight")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError, RecursionError):
        return None  # a rule tells what is wrong with the experiment's own file
    return table if isinstance(table, dict) else None


def _settings(table: dict[str, Any], file: Path) -> Settings:
    for key, value in table.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"it has {', '.join(_KEYS)}"
            raise GreenlightError(f"{file}: [tool.greenlight] has no {key}; {remedy}")
        kind = _KEYS[key]
        if not (_is_strings(value) if kind is list else isinstance(value, str)):
            wanted = "a list of strings" if kind is list else "a string"
            raise GreenlightError(f"{file}: {key} of [tool.greenlight] is {value!r}; it is {wanted}")
    baseline = table.get("baseline")
    return Settings(
        tuple(table.get("select", ())),
        tuple(table.get("ignore", ())),
        None if baseline is None else file.parent / baseline,
        file,
    )


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)
