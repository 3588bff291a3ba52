"""Another package's optimizer in the place of the caller's AdamW: its parameter groups, and the package itself."""

import importlib
from typing import Any

from torch.optim import AdamW, Optimizer

from graff.errors import GraffError


def adamw_groups(optimizer: Optimizer, planner: str) -> list[dict[str, Any]]:
    """Return the groups of a fresh AdamW as plain numbers: params, lr, betas, eps and weight_decay.

    Parameters
    ----------
    optimizer
        The caller's; it is left as it is and must not be stepped any more.
    planner
        The name of the planner, for its errors.

    Raises
    ------
    GraffError
        For an optimizer that is not AdamW, has variants that the other package lacks, or has made steps already, whose
        moments would be lost.
    """
    kind = type(optimizer).__name__
    if not isinstance(optimizer, AdamW):
        raise GraffError(f"optimizer {kind}: {planner} takes its parameters and values from AdamW; give torch's AdamW")
    for variant in ("amsgrad", "maximize"):
        if any(group[variant] for group in optimizer.param_groups):
            raise GraffError(f"AdamW with {variant}: {planner} has no such variant; leave it out")
    if optimizer.state:
        raise GraffError(f"AdamW that has made steps: {planner} starts without its moments; give a fresh optimizer")
    return [
        {
            "params": list(group["params"]),
            "lr": float(group["lr"]),
            "betas": tuple(float(beta) for beta in group["betas"]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
        }
        for group in optimizer.param_groups
    ]


def imported(module: str, extra: str) -> Any:
    """Return a package that is not among graff's dependencies.

    Parameters
    ----------
    module
        What is imported.
    extra
        The extra of graff that installs it.

    Raises
    ------
    GraffError
        When it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise GraffError(f'package {module}: it is not installed; run pip install "graff[{extra}]"') from error
