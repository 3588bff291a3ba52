"""How the tests are spread over two workers, and where the processes they start keep their bytecode."""

import os
import sys
from pathlib import Path

import pytest

# They train under a wall clock: side by side they would take each other's time.
_TIMED = {"test_commands.py", "test_main_job.py"}

if sys.dont_write_bytecode:
    # Containers often forbid bytecode. A hundred processes would compile the same libraries, ten seconds each time.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parent / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every file its own group, so that its fixtures are made once, and the timed files a common one."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("timed" if item.path.name in _TIMED else str(item.path)))
