"""Review, rehearse, run and compare machine-learning experiments inside a wall-clock budget."""

__version__ = "0.1.0"
