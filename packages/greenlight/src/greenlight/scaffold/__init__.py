"""Write a new experiment that obeys the contract and whose trial runs as it stands."""

from greenlight.scaffold.experiment import new, next_commands

__all__ = ["new", "next_commands"]
