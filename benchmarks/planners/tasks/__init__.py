"""The tasks by name. A new task is one new file here: a module with a :class:`Task` of the module's name."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from benchmarks.planners.tasks._task import Session, Task
from greenlight.errors import GreenlightError

__all__ = ["Session", "Task", "make", "names", "task_class"]


def names() -> tuple[str, ...]:
    """Return the names of all tasks, sorted.

    Examples
    --------
    >>> names()
    ('arithmetic', 'chipseq', 'clusters', 'qwen3_overhead', 'smollm2_gsm8k')
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def task_class(name: str) -> type[Task]:
    """Return the class of a task.

    Raises
    ------
    GreenlightError
        For a name that is not one of :func:`names`.
    """
    if name not in names():
        raise GreenlightError(f"task {name!r}: the tasks are {', '.join(names())}; choose one of them")
    module = importlib.import_module(f"{__name__}.{name}")
    return next(
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, Task) and vars(member).get("name") == name
    )


def make(name: str, options: Mapping[str, Any]) -> Task:
    """Return a task with its options checked.

    Raises
    ------
    GreenlightError
        For an unknown task or option, or a value of another kind than the default.
    """
    kind = task_class(name)
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    for key, value in options.items():
        if key not in defaults:
            raise GreenlightError(
                f"option {key!r} of the task {name}: its options are {', '.join(defaults)}; remove it"
            )
        wanted = type(defaults[key])
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise GreenlightError(
                f"option {key}={value!r} of the task {name}: it is of type {wanted.__name__}; correct it"
            )
    return kind(**options)
