"""A recorded prompt: the text that a language model was given to review an experiment."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

from greenlight.errors import GreenlightError

_CODE = re.compile(r"^# Generated Experiment Code.*$", re.MULTILINE)
_RUNS = re.compile(r"^# Experiment Runs\s*$", re.MULTILINE)
_HYPOTHESIS = re.compile(r"^# Hypothesis\s*$", re.MULTILINE)
_SECTION = re.compile(r"^# \S.*$", re.MULTILINE)
_RUN = re.compile(r"^- Run ID: *(?P<run_id>\S+)\s*$(?P<body>.*?)(?=^- Run ID:|\Z)", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"```ya?ml\n(?P<text>.*?)^\s*```", re.MULTILINE | re.DOTALL)


def is_recorded_prompt(text: str) -> bool:
    """Return whether a text has the section that holds the generated code."""
    return _CODE.search(text) is not None


def parts_of_prompt(text: str, where: str) -> tuple[dict[str, Any], str | None]:
    """Return the bundle in a recorded prompt, its runs included, and the hypothesis.

    Raises
    ------
    GreenlightError
        If the section of the code holds no JSON object.
    """
    code = _CODE.search(text)
    assert code is not None, "is_recorded_prompt is asked first"
    start = text.find("{", code.end())
    try:
        if start < 0:
            raise ValueError("there is no '{'")
        bundle, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise GreenlightError(
            f"{where}: the section '{code.group().strip()}' holds no JSON object ({error}); it is the seven files"
        ) from error
    # Recorded prompts indent the first line of a run's YAML alone.
    runs = [
        {"run_id": run["run_id"], "config": textwrap.dedent(config["text"]).strip() + "\n"}
        for run in _RUN.finditer(_section(text, _RUNS, code.start()))
        if (config := _YAML.search(run["body"]))
    ]
    if runs and isinstance(bundle, dict):
        bundle.setdefault("runs", runs)
    hypothesis = _section(text, _HYPOTHESIS, code.start()).strip()
    return bundle, hypothesis or None


def _section(text: str, heading: re.Pattern[str], end: int) -> str:
    found = heading.search(text, 0, end)
    if found is None:
        return ""
    following = _SECTION.search(text, found.end(), end)
    return text[found.end() : following.start() if following else end]
