"""Criterion 8: evaluation runs by itself and reports what was measured."""
