"""Criterion 3: the data are loaded, prepared and batched as they should be."""
