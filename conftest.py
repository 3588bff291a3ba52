"""How the tests are spread over two workers and the cores, and where the processes they start keep their bytecode."""

import os
import sys
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# They train under a wall clock, and share services: side by side they would take each other's time.
_TOGETHER = "tests/e2e/"

# Two workers with a thread per core each would have threads that spin while they wait for a core (docs/log.md).
os.environ.setdefault("OMP_NUM_THREADS", "1")

if sys.dont_write_bytecode:
    # Containers often forbid bytecode. A hundred processes would compile the same libraries, ten seconds each time.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parent / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


class ByFile(LoadScopeScheduling):
    """Gives whole files to workers, so that their fixtures are made once, and all end-to-end tests to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", maxsplit=1)[0]
        return _TOGETHER if path.startswith(_TOGETHER) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Use it; the marks of xdist_group are not read under pytest 9.2."""
    return ByFile(config, log)
