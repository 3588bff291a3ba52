"""All menders, found by the files they stand in, and the question to them."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache

import yaml

from greenlight.rehearse import menders as room
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised

_BASE = Mender.__module__


@cache
def all_menders() -> tuple[Mender, ...]:
    """Return one of every mender in the order in which they are asked."""
    return tuple(sorted((kind() for kind in _kinds()), key=lambda mender: (mender.rank, mender.name)))


def _kinds() -> Iterator[type[Mender]]:
    for info in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Mender) and value.__module__ == info.name != _BASE:
                yield value


def mend(raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
    """Return the files as the first mender that knows the mistake leaves them, or None where none does.

    A change is refused that changes nothing, adds or drops a file, or leaves a file that cannot be parsed any more.

    Parameters
    ----------
    raised
        What ended the process.
    files
        The experiment as it was performed.
    """
    for mender in all_menders():
        try:
            result = mender.mend(raised, files)
        except Exception:  # noqa: BLE001, S112 - a mender meets code that nobody foresaw; going on is a courtesy
            continue
        if result is not None and _is_sound(result.files, files):
            return result
    return None


def _is_sound(after: Mapping[str, bytes], before: Mapping[str, bytes]) -> bool:
    if set(after) != set(before):
        return False
    changed = [path for path in after if after[path] != before[path]]
    return bool(changed) and all(_can_be_parsed(path, after[path], before[path]) for path in changed)


def _can_be_parsed(path: str, after: bytes, before: bytes) -> bool:
    try:
        if path.endswith(".py"):
            ast.parse(after)
        elif path.endswith((".yaml", ".yml")):
            yaml.safe_load(after)
        elif path.endswith(".toml"):
            tomllib.loads(after.decode("utf-8"))
    except tomllib.TOMLDecodeError:
        return not _is_toml(before)  # one mistake of several was mended
    except (SyntaxError, ValueError, yaml.YAMLError, RecursionError, MemoryError):
        return False
    return True


def _is_toml(content: bytes) -> bool:
    try:
        tomllib.loads(content.decode("utf-8"))
    except ValueError:
        return False
    return True
