"""What counts and their parameters must be: equal shapes, whole numbers, positive parameters."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from technoise.errors import TechnoiseError

# Up to here every whole number is a float64.
LARGEST_COUNT = 2**53


def require_equal_shapes(**tensors: Tensor | NDArray[np.float64]) -> None:
    """Raise unless all arrays have one shape; nothing is broadcast.

    Raises
    ------
    TechnoiseError
        Naming the shapes.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise TechnoiseError(f"shapes {said}: arrays that belong together have equal shapes; expand or reshape first")


def counts_as_float64(counts: Tensor) -> Tensor:
    """Return counts as float64 after checking that they are whole numbers from 0 to 2^53.

    Raises
    ------
    TechnoiseError
        For a negative, fractional, non-finite or too large count.
    """
    y = counts.detach().to(torch.float64)
    bad = ~((y >= 0) & (y <= LARGEST_COUNT) & (y == y.floor()))
    if bool(bad.any()):
        raise _not_a_count(float(y[bad][0]))
    return y


def refuse_second_derivative() -> None:
    """Raise inside of a backward pass that builds a graph: its slopes would silently count as constants.

    Raises
    ------
    TechnoiseError
        Under ``create_graph=True``.
    """
    if torch.is_grad_enabled():
        raise TechnoiseError(
            "create_graph=True: a count log-probability has first derivatives only; differentiate without create_graph"
        )


def count_array(counts: ArrayLike) -> NDArray[np.float64]:
    """Return counts as a float64 array after the same check as :func:`counts_as_float64`."""
    y = np.asarray(counts, dtype=np.float64)
    bad = ~((y >= 0) & (y <= LARGEST_COUNT) & (y == np.floor(y)))
    if bad.any():
        raise _not_a_count(float(y[bad].flat[0]))
    return y


def positive_array(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return a parameter as a float64 array after checking that it is finite and positive.

    Raises
    ------
    TechnoiseError
        Naming the first value that is not.
    """
    x = np.asarray(values, dtype=np.float64)
    bad = ~(np.isfinite(x) & (x > 0))
    if bad.any():
        raise TechnoiseError(
            f"{name} of {float(x[bad].flat[0])}: a {name} is finite and positive; give exp of its log, check the fit"
        )
    return x


def _not_a_count(value: float) -> TechnoiseError:
    return TechnoiseError(
        f"count of {value:g}: a count is a whole number from 0 to 2^53; give raw counts and put depth into an offset"
    )
