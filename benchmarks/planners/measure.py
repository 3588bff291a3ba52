"""What a task is scored by: how values are written, and which way is better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """A score of held-out items, its mean over items being the task's score.

    Attributes
    ----------
    name, short
        In sentences and in the heads of tables.
    kind
        ``right``: an item is answered right or not. ``loss``: it has a loss in nats, the lower the better.
    scale, decimals, unit
        A value is written times `scale` with so many decimals and this unit.
    difference_unit
        The unit of a difference of two values.
    key
        In the names of columns and files.
    """

    name: str
    short: str
    kind: Literal["right", "loss"]
    scale: float
    decimals: int
    unit: str
    difference_unit: str
    key: str

    @property
    def sign(self) -> int:
        """1 where a larger value is better, -1 where a smaller one is."""
        return 1 if self.kind == "right" else -1

    @property
    def better(self) -> str:
        """Which way is better, in a word."""
        return "higher" if self.sign > 0 else "lower"

    @property
    def axis(self) -> str:
        """The name with its unit, for tables and axes."""
        return f"{self.name} ({self.unit})"

    def bare(self, value: float) -> str:
        """Return a value as it is written in a table, without its unit.

        Examples
        --------
        >>> EXACT_MATCH.bare(0.7512)
        '75.1'
        """
        return f"{self.scale * value:.{self.decimals}f}"

    def told(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{self.bare(value)} {self.unit}"

    def signed(self, value: float) -> str:
        """Return a difference with its sign, without its unit."""
        return f"{self.scale * value:+.{self.decimals}f}"


EXACT_MATCH = Measure("exact match", "EM %", "right", 100.0, 1, "%", "points", "exact_match")
NLL = Measure("held-out NLL", "NLL", "loss", 1.0, 4, "nats per bin", "nats per bin", "nll")
