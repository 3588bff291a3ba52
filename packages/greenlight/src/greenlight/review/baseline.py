"""A file of findings that are known and do not count: a gate can start on code that is not clean yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from greenlight.errors import GreenlightError
from greenlight.review.finding import Finding
from greenlight.review.fingerprint import fingerprints, lines_of

_VERSION = 1


def read_baseline(path: Path) -> frozenset[str]:
    """Return the fingerprints in a baseline.

    Raises
    ------
    GreenlightError
        If the file does not exist or is no baseline.
    """
    try:
        whole: Any = json.loads(path.read_text(encoding="utf-8"))
        if whole["version"] != _VERSION:
            raise ValueError(f"version {whole['version']}")
        return frozenset(str(entry["fingerprint"]) for entry in whole["findings"])
    except FileNotFoundError:
        raise GreenlightError(f"{path}: no such baseline; write one with --update-baseline") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GreenlightError(f"{path}: no baseline of version {_VERSION} ({error}); write it anew") from error


def write_baseline(path: Path, findings: tuple[Finding, ...], files: dict[str, bytes]) -> None:
    """Write findings as a baseline; the file is there whole or as it was."""
    prints = fingerprints(findings, lines_of(files))
    entries = [
        {"rule": f.rule, "path": f.path, "line": f.line, "message": f.message, "fingerprint": prints[f]}
        for f in findings
    ]
    text = json.dumps({"version": _VERSION, "findings": entries}, indent=2, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
