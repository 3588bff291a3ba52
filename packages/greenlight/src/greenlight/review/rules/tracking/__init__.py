"""Criterion 6: everything of interest is logged, under names that evaluation reads."""
