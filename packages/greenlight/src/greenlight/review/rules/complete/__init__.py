"""Criterion 1: every component is complete and can be executed."""
