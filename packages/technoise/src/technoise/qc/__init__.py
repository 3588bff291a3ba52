"""Quality control of a technical model on held-out bins: its metrics as numbers, and a page of figures."""
