"""Criterion 9: trial is small and silent, full is the whole thing."""
