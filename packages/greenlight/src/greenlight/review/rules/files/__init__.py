"""Criterion 5: the seven files, and a package that can be installed."""
