"""Read finished runs back from the tracker through ``wandb.Api``: every row, summary, configuration and outcomes."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenlight.compare.outcomes import OUTCOMES_FILE, read_outcomes
from greenlight.compare.records import RunRecord, check_run_ids, parse_run_ids
from greenlight.endpoints import check_tracker, tracker_address
from greenlight.errors import GreenlightError

if TYPE_CHECKING:
    import pandas as pd
    import wandb

__all__ = ["RunRecord", "connect", "parse_run_ids", "read_runs"]

# How the wandb client writes floats that JSON does not have.
_NOT_IN_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def connect(timeout_s: int = 30) -> wandb.Api:
    """Return a client of the tracker that ``WANDB_BASE_URL`` and ``WANDB_API_KEY`` name, or say quickly why not.

    Parameters
    ----------
    timeout_s
        How long any later request may take.

    Raises
    ------
    GreenlightError
        If the tracker does not answer within five seconds, or refuses the key, or there is no key.
    """
    import wandb

    check_tracker()
    address = tracker_address()
    try:
        return wandb.Api(timeout=timeout_s)
    except _failures() as error:
        raise GreenlightError(
            f"tracker at {address}: does not let us in ({_one_line(error)}); set WANDB_API_KEY to a key of that tracker"
        ) from error


def read_runs(
    entity: str,
    project: str,
    run_ids: Sequence[str],
    api: wandb.Api | None = None,
    *,
    allow_unfinished: bool = False,
) -> list[RunRecord]:
    """Return one record per run id, in the order given, with every row of the history.

    Parameters
    ----------
    entity, project
        Where the runs were logged: ``wandb.entity`` and ``wandb.project`` of config/config.yaml.
    run_ids
        Ids of finished runs.
    api
        A client; without one, :func:`connect` makes it.
    allow_unfinished
        Also read runs that still run, or that crashed or failed.

    Raises
    ------
    GreenlightError
        If a run is missing, unfinished or incomplete, or the tracker does not answer.
    """
    check_run_ids(run_ids)
    client = connect() if api is None else api
    return [_read_run(client, entity, project, run_id, allow_unfinished=allow_unfinished) for run_id in run_ids]


def _read_run(api: wandb.Api, entity: str, project: str, run_id: str, *, allow_unfinished: bool) -> RunRecord:
    failures = _failures()
    address = str(api.settings["base_url"])
    try:
        run = api.run(f"{entity}/{project}/{run_id}")
    except failures as error:
        if _says_not_found(error):
            raise GreenlightError(
                f"run {run_id}: not found in {entity}/{project} at {address}; "
                "did it finish in mode=full? trial runs are not tracked"
            ) from error
        raise _unreadable(run_id, address, error) from error
    if run.state != "finished" and not allow_unfinished:
        raise GreenlightError(
            f"run {run_id} in {entity}/{project}: its state is {run.state}, and only finished runs are compared; "
            "wait for it, or start its command again so that it resumes"
        )
    try:
        history = _history(run)
        summary, internals = _summary(run)
        outcomes, outcomes_missing = _outcomes(run, run_id)
    except failures as error:
        raise _unreadable(run_id, address, error) from error
    return RunRecord(
        run_id=run_id,
        history=history,
        summary=summary,
        config=dict(run.config),
        outcomes=outcomes,
        outcomes_missing=outcomes_missing,
        internals=internals,
        state=run.state,
    )


def _history(run: wandb.apis.public.Run) -> pd.DataFrame:
    import pandas as pd

    # Without keys: with them the scan keeps only the rows that hold all of them. Without the cache: a resumed run
    # has more rows than a copy that an earlier comparison left on disk.
    rows = [{key: _number(value) for key, value in row.items()} for row in run.scan_history(use_cache=False)]
    last_step = run.lastHistoryStep
    if last_step >= 0 and (not rows or max(row.get("_step", last_step) for row in rows) < last_step):
        raise GreenlightError(
            f"run {run.id}: the tracker says that its last row is step {last_step} but hands out {len(rows)} rows that "
            "end before it; finish uploading (wandb sync) and compare again"
        )
    history = pd.DataFrame(rows)
    if "_step" in history:
        history = history.sort_values("_step", kind="stable", ignore_index=True)
    return history


def _summary(run: wandb.apis.public.Run) -> tuple[dict[str, Any], dict[str, Any]]:
    everything = {key: _number(value) for key, value in dict(run.summary_metrics).items()}
    internal = {key: value for key, value in everything.items() if key.startswith("_")}
    return {key: value for key, value in everything.items() if key not in internal}, internal


def _number(value: Any) -> Any:
    """Undo the client's spelling of NaN and infinity, also inside nested values."""
    if isinstance(value, str):
        return _NOT_IN_JSON.get(value, value)
    if isinstance(value, Mapping):
        return {key: _number(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_number(item) for item in value]
    return value


def _outcomes(run: wandb.apis.public.Run, run_id: str) -> tuple[pd.DataFrame | None, str | None]:
    # A server may answer for a file that was never saved with an entry of no size, so the listing is asked instead.
    saved = [file for file in run.files(names=[OUTCOMES_FILE]) if file.name == OUTCOMES_FILE and file.size > 0]
    if not saved:
        return None, f"run {run_id} saved no {OUTCOMES_FILE}"
    with tempfile.TemporaryDirectory(prefix="greenlight-outcomes-") as folder:
        saved[0].download(root=folder).close()
        return read_outcomes(Path(folder) / OUTCOMES_FILE, run_id), None


def _failures() -> tuple[type[Exception], ...]:
    """Return what the client raises: its own errors, and those of its helper process that it lets through."""
    from wandb.errors import Error
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    return Error, WandbApiFailedError


def _says_not_found(error: Exception) -> bool:
    words = str(error).lower()
    return "not found" in words or "could not find" in words


def _unreadable(run_id: str, address: str, error: Exception) -> GreenlightError:
    return GreenlightError(
        f"run {run_id}: the tracker at {address} did not hand it out ({_one_line(error)}); "
        "see whether the tracker still runs and compare again"
    )


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200]
