"""Read finished runs back and say which method won, by how much, and whether that is more than noise.

What an experiment's ``evaluate.py`` imports. Each module stands alone, so that a caller pays only for what it uses:
``runs`` needs wandb, ``figures`` needs matplotlib, ``significance`` needs neither.
"""
