"""Review, rehearse, run and compare machine-learning experiments inside a wall-clock budget."""
