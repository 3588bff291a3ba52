"""The tracker and the hub of a run: those that the environment names, else our own for as long as the run takes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from greenlight.errors import GreenlightError


@dataclass(frozen=True)
class Services:
    """Where the tracker and the hub are, and the environment that leads clients to them."""

    tracker_url: str
    hub_url: str
    api_key: str | None
    environment: dict[str, str]


@contextmanager
def services(
    tracker_data: Path,
    hub_cache: Path,
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    *,
    tracker_port: int = 0,
    inherit: bool = True,
) -> Iterator[Services]:
    """Yield a tracker and a hub on the loopback interface; both end with the block.

    Parameters
    ----------
    tracker_data
        The tracker's data folder.
    hub_cache
        Where the embedded data set is generated, and where bytecode goes that may not lie beside its source.
    models, datasets
        Mappings ``ID=FOLDER`` that the hub serves as well.
    tracker_port
        The tracker's port; 0 takes any free one.
    inherit
        Use ``WANDB_BASE_URL`` and ``HF_ENDPOINT`` instead where they are set.

    Raises
    ------
    GreenlightError
        If a mapping is wrong, or another tracker works on the same data.
    """
    from greenlight.rehearse.standins import hub, loopback, tracker

    with ExitStack() as stack:
        environment = dict(os.environ)
        # Two processes on few cores: a spinning OpenMP thread would take the core that the other one needs.
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        environment.setdefault("GOMP_SPINCOUNT", "0")
        if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
            # Containers often forbid bytecode beside the sources; every command would compile its libraries anew, which
            # takes longer than importing them.
            environment.setdefault("PYTHONPYCACHEPREFIX", str(hub_cache / "bytecode"))
        environment.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")  # the client would call out for a statistic
        tracker_url = os.environ.get("WANDB_BASE_URL", "") if inherit else ""
        key: str | None = None
        if not tracker_url:
            stack.enter_context(sole_user(tracker_data))
            tracker_url = stack.enter_context(loopback.background(tracker.app(tracker_data), port=tracker_port))
            key = tracker.api_key(tracker_data)
            environment |= {"WANDB_BASE_URL": tracker_url, "WANDB_API_KEY": key}
        hub_url = os.environ.get("HF_ENDPOINT", "") if inherit else ""
        if not hub_url or models or datasets:
            served = [*hub.embedded(hub_cache), *map(hub.model, models), *map(hub.dataset, datasets)]
            hub_url = stack.enter_context(loopback.background(hub.app(served)))
            environment |= {"HF_ENDPOINT": hub_url}
        yield Services(tracker_url, hub_url, key, environment)


@contextmanager
def sole_user(tracker_data: Path) -> Iterator[None]:
    """Hold a tracker's data folder, because two servers on one database would not see each other's runs change.

    Raises
    ------
    GreenlightError
        If another process holds it, or it cannot be written.
    """
    try:
        tracker_data.mkdir(parents=True, exist_ok=True)
        lock = (tracker_data / ".lock").open("a")
    except OSError as error:
        raise GreenlightError(
            f"tracker data {tracker_data}: cannot be written ({error.strerror}); name another folder, --data"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise GreenlightError(
                f"tracker data {tracker_data}: another tracker works on it; use that one, WANDB_BASE_URL=<address>, "
                "or another folder"
            ) from error
        yield
