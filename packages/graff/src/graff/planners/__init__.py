"""The planners by name. A new planner is one new file here: a module with a :class:`Planner` of the module's name."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from graff.budget import Budget
from graff.errors import GraffError
from graff.planners._planner import Planner
from graff.planners._report import StepReport

__all__ = ["Planner", "StepReport", "make", "names", "options", "planner_class"]

# What every planner takes from the training loop; the rest of a constructor's arguments are its options.
_FROM_THE_LOOP = ("self", "optimizer", "model", "budget", "max_grad_norm")


def names() -> tuple[str, ...]:
    """Return the names of all planners, sorted.

    Examples
    --------
    >>> names()  # doctest: +NORMALIZE_WHITESPACE
    ('bats', 'cosine', 'fixed', 'graff', 'hypergradient', 'linear', 'one_minus_sqrt', 'prodigy', 'reactor', 'rex',
     'salelr', 'schedule_free', 'wsd')
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def planner_class(name: str) -> type[Planner]:
    """Return the class of a planner.

    Raises
    ------
    GraffError
        For a name that is not one of :func:`names`.
    """
    if name not in names():
        raise GraffError(f"planner {name!r}: the planners are {', '.join(names())}; choose one of them")
    module = importlib.import_module(f"{__name__}.{name}")
    return next(
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, Planner) and vars(member).get("name") == name
    )


def options(name: str) -> Mapping[str, inspect.Parameter]:
    """Return the options of a planner by name, each with its annotation and default.

    ``max_grad_norm`` is not among them: it belongs to the training, not to the schedule.

    Raises
    ------
    GraffError
        For an unknown planner.

    Examples
    --------
    >>> options("fixed")["warmup_fraction"].default
    0.0
    """
    parameters = inspect.signature(planner_class(name).__init__).parameters
    return {key: parameter for key, parameter in parameters.items() if key not in _FROM_THE_LOOP}


def make(
    name: str,
    *,
    optimizer: Optimizer,
    model: nn.Module | None,
    budget: Budget,
    max_grad_norm: float | None = None,
    **chosen: Any,
) -> Planner:
    """Return a planner by name.

    Parameters
    ----------
    name
        One of :func:`names`.
    optimizer, model, budget, max_grad_norm
        As for every :class:`Planner`.
    **chosen
        Options of this planner, as :func:`options` lists them.

    Raises
    ------
    GraffError
        For an unknown planner or option, or a value that the planner refuses.
    """
    known = options(name)
    for key in chosen:
        if key not in known:
            raise GraffError(f"option {key!r} of the planner {name!r}: its options are {', '.join(known)}; remove it")
    return planner_class(name)(optimizer, model, budget, max_grad_norm=max_grad_norm, **chosen)
