"""Criterion 2: Hydra composes the configuration, and the documented commands work."""
