"""What a request handler needs: the store's parts, the seal, and the addresses that are handed out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .artifacts import Artifacts
from .blobs import Blobs
from .database import Database
from .files import Files
from .history import History
from .key import Seal, api_key
from .runs import Runs
from .stream import Stream

CRASHED_AFTER_S = 120.0


@dataclass(frozen=True)
class Services:
    """The parts of one tracker."""

    database: Database
    blobs: Blobs
    runs: Runs
    stream: Stream
    history: History
    files: Files
    artifacts: Artifacts
    seal: Seal

    def address(self, base: str, action: str, target: str, owner: int = 0, *, name: str) -> str:
        """Return a signed address below `base`; `name` only makes it readable."""
        return f"{base}/-/storage/{self.seal.ticket(action, target, owner)}/{quote(name, safe='')}"


def opened(data_dir: Path, crashed_after_s: float = CRASHED_AFTER_S) -> Services:
    """Open the store under `data_dir`.

    Raises
    ------
    GreenlightError
        If the folder cannot be used.
    """
    seal = Seal(api_key(data_dir))
    database = Database(data_dir)
    blobs = Blobs(data_dir)
    return Services(
        database,
        blobs,
        Runs(database, crashed_after_s),
        Stream(database),
        History(database),
        Files(database, blobs),
        Artifacts(database, blobs),
        seal,
    )
