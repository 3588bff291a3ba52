"""How the tests are spread over two workers: a file stays together, the timed ones stay in one line."""

import pytest

# They train under a wall clock: side by side they would take each other's time.
_TIMED = {"test_commands.py", "test_main_job.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every file its own group, so that its fixtures are made once, and the timed files a common one."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("timed" if item.path.name in _TIMED else str(item.path)))
