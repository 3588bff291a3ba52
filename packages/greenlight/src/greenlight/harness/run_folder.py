"""The folder of one run: who works in it, which configuration it belongs to, and whether it is finished."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from greenlight.errors import GreenlightError


class RunFolder:
    """``<results_dir>/<run_id>``, used by one process at a time.

    Parameters
    ----------
    results_dir
        Where results go; made if absent.
    run_id
        The run's id.

    Raises
    ------
    GreenlightError
        If the folder cannot be made or written.
    """

    def __init__(self, results_dir: Path, run_id: str) -> None:
        self.path = results_dir / run_id
        self.run_id = run_id
        self._record = self.path / "run.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / ".lock").open("a"):
                pass
        except OSError as error:
            raise GreenlightError(
                f"results_dir={results_dir}: cannot be written ({error.strerror}); name a folder that you may write"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder; the operating system lets go of it when the process ends, however it ends.

        Raises
        ------
        GreenlightError
            If another process holds it.
        """
        with (self.path / ".lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise GreenlightError(
                    f"{self.path}: another process is training this run; wait for it or choose another results_dir"
                ) from error
            yield

    @property
    def known(self) -> bool:
        """Whether the run was started here before."""
        return self._record.exists()

    @property
    def finished(self) -> bool:
        """Whether the run came to its end here."""
        return bool(self._read().get("finished"))

    def start(self, config: Mapping[str, Any]) -> None:
        """Note the configuration, or check it against the one that the run was started with.

        Raises
        ------
        GreenlightError
            If the run was started with another configuration.
        """
        plain = json.loads(json.dumps(config, default=str))
        if self.known:
            changed = _differences(self._read().get("config", {}), plain)
            if changed:
                raise GreenlightError(
                    f"{self.path}: started with another configuration ({'; '.join(changed)}); "
                    "use the same one to resume, or another results_dir"
                )
            return
        self._write({"config": plain, "finished": False})

    def forget(self) -> None:
        """Undo :meth:`start` for a run that never began."""
        self._record.unlink(missing_ok=True)

    def finish(self) -> None:
        """Note that the run came to its end."""
        self._write({**self._read(), "finished": True})

    def _read(self) -> dict[str, Any]:
        if not self._record.exists():
            return {}
        try:
            content = json.loads(self._record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise GreenlightError(f"{self._record}: not readable ({error}); choose another results_dir") from error
        assert isinstance(content, dict)
        return content

    def _write(self, content: Mapping[str, Any]) -> None:
        partial = self._record.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(content, indent=2, allow_nan=False), encoding="utf-8")
        partial.replace(self._record)


def fingerprint(config: Mapping[str, Any]) -> str:
    """Return a short name of a configuration: equal for equal contents, whatever the order of keys."""
    text = json.dumps(config, sort_keys=True, default=str, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _differences(before: Any, after: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [
            line for key in keys for line in _differences(before.get(key), after.get(key), f"{path}.{key}".strip("."))
        ]
    return [] if before == after else [f"{path} was {before}, now {after}"]
