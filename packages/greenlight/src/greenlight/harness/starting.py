"""How a training program starts: a mistake of its user is one line, its log is set up, Ctrl-C is status 130."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import BaseModel

from greenlight.errors import GreenlightError
from greenlight.harness.compose import check_keys

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells say it


@contextmanager
def one_line_errors(*mendable: type[Exception]) -> Iterator[None]:
    """End the program with status 1 and one line on standard error where the block raises what a user can mend.

    Parameters
    ----------
    *mendable
        Exceptions besides `GreenlightError` that a user can mend.
    """
    told: tuple[type[Exception], ...] = (GreenlightError, *mendable)
    try:
        yield
    except told as error:
        sys.exit(f"error: {error}")


@contextmanager
def command_line(arguments: Sequence[str], schema: type[BaseModel], *, loggers: Sequence[str]) -> Iterator[None]:
    """Set up the log, check the keys of a command line, and end the program with status 130 after Ctrl-C in the block.

    Parameters
    ----------
    arguments
        The command line without the program.
    schema
        The configuration class whose keys may be overridden.
    loggers
        Whose information is shown; of all others only warnings are.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for name in loggers:
        logging.getLogger(name).setLevel(logging.INFO)
    with one_line_errors():
        check_keys(arguments, schema)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
