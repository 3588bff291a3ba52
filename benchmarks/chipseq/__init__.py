"""Which model of technical noise predicts held-out chromosomes best, and is calibrated there."""
