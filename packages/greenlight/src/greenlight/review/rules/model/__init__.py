"""Criterion 4: the model is what it says, and what should learn does learn."""
