"""Criterion 7: run files say what the code reads, and the code reads what they say."""
