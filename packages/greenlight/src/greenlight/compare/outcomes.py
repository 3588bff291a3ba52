"""The answer that a run gave to every test question, as saved with the run: one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenlight.errors import GreenlightError

if TYPE_CHECKING:
    import pandas as pd

OUTCOMES_FILE = "outcomes.jsonl"
_COLUMNS = ("question_id", "correct", "prediction", "gold")


def read_outcomes(path: Path, run_id: str) -> pd.DataFrame:
    """Return one row per test question: ``question_id``, ``correct``, ``prediction``, ``gold``.

    Parameters
    ----------
    path
        The downloaded file.
    run_id
        The run it belongs to, for errors.

    Raises
    ------
    GreenlightError
        If a line is no such object, a question is answered twice, or the file is empty or cut short.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    line_of: dict[str, int] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row = _row(line, f"{OUTCOMES_FILE} of run {run_id}, line {number}")
            question_id = row["question_id"]
            if question_id in line_of:
                raise GreenlightError(
                    f"{OUTCOMES_FILE} of run {run_id}: question {question_id} is on line {line_of[question_id]} and on "
                    f"line {number}; every test question is answered once; train the run again"
                )
            line_of[question_id] = number
            rows.append(row)
    if not rows:
        raise GreenlightError(
            f"{OUTCOMES_FILE} of run {run_id}: holds no outcome; the run saves one line per test question; "
            "train the run again in mode=full"
        )
    frame = pd.DataFrame(rows, columns=list(_COLUMNS))
    frame["correct"] = frame["correct"].astype(bool)
    # None is "no answer found"; pandas would make it NaN, which is neither an answer nor JSON.
    frame["prediction"] = pd.Series([row["prediction"] for row in rows], dtype=object)
    return frame


def _row(line: str, where: str) -> dict[str, Any]:
    remedy = "train the run again in mode=full"
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise GreenlightError(f"{where}: not JSON ({error.msg.lower()}), cut short or overwritten; {remedy}") from error
    if not isinstance(row, dict) or not set(_COLUMNS) <= row.keys():
        raise GreenlightError(f"{where}: an outcome is an object with {', '.join(_COLUMNS)}; {remedy}")
    fits = (
        isinstance(row["question_id"], str)
        and isinstance(row["correct"], bool)
        and (row["prediction"] is None or isinstance(row["prediction"], str))
        and isinstance(row["gold"], str)
    )
    if not fits:
        raise GreenlightError(
            f"{where}: question_id and gold are strings, correct is true or false, prediction is a string or null; "
            f"{remedy}"
        )
    return {name: row[name] for name in _COLUMNS}
