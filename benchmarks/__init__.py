"""Benchmarks: long comparisons that a person starts by hand; nothing here is installed with the packages."""
