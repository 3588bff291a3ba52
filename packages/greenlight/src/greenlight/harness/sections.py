"""Typed, closed sections of a run configuration: an unknown key is an error, never ignored.

An experiment composes its own configuration class from these and from sections of its own that derive from `Section`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenlight.errors import GreenlightError


class Section(BaseModel):
    """One section of a configuration; frozen, and closed: a key that no field declares is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Wandb(Section):
    """Where a run is tracked. `mode` is set by the experiment's mode, never by a run file."""

    entity: str = Field(min_length=1)
    project: str = Field(min_length=1)
    mode: Literal["online", "disabled"]


class Optimizer(Section):
    """AdamW: `lr_init` is the rate that a planner starts from; weight decay is decoupled."""

    type: Literal["adamw"]
    lr_init: float = Field(gt=0, lt=1e3)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    weight_decay: float = Field(ge=0)


class EarlyStopping(Section):
    """Stop after `patience` evaluations without a value lower by more than `min_delta`; null never stops early."""

    patience: int | None = Field(ge=1)
    min_delta: float = Field(ge=0)


class Interval(Section):
    """A numeric search dimension from `low` to `high`, both included."""

    type: Literal["uniform", "loguniform", "int"]
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} and high {self.high:g}: low is below high")
        if self.type == "loguniform" and self.low <= 0:
            raise ValueError(f"low {self.low:g}: a loguniform range is positive")
        if self.type == "int" and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"low {self.low:g} and high {self.high:g}: an int range has whole bounds")
        return self


class Choices(Section):
    """A search dimension with listed values."""

    type: Literal["categorical"]
    choices: tuple[bool | int | float | str, ...] = Field(min_length=1)


Dimension = Annotated[Interval | Choices, Field(discriminator="type")]


class Optuna(Section):
    """The hyper-parameter search before a full run; `n_trials` 0 means none."""

    n_trials: int = Field(ge=0)
    direction: Literal["maximize", "minimize"]
    search_space: dict[str, Dimension]

    @model_validator(mode="after")
    def _searchable(self) -> Optuna:
        if self.n_trials and not self.search_space:
            raise ValueError(f"n_trials {self.n_trials} with an empty search_space: name a dimension or set n_trials=0")
        return self


def with_values(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a nested configuration with dotted paths replaced.

    Parameters
    ----------
    config
        Nested mappings, as from ``model_dump()``.
    values
        Dotted path to new value; every path exists in `config`.

    Raises
    ------
    GreenlightError
        If a path does not exist.

    Examples
    --------
    >>> with_values({"model": {"lora": {"r": 64}}}, {"model.lora.r": 32})
    {'model': {'lora': {'r': 32}}}
    """
    result: dict[str, Any] = dict(config)
    for path, value in values.items():
        here = result
        *parents, leaf = path.split(".")
        for parent in parents:
            if not isinstance(here.get(parent), Mapping):
                raise GreenlightError(f"path {path}: the configuration has no section '{parent}'; correct the path")
            here[parent] = dict(here[parent])
            here = here[parent]
        if leaf not in here:
            raise GreenlightError(f"path {path}: the configuration has no key '{leaf}' there; correct the path")
        here[leaf] = value
    return result
