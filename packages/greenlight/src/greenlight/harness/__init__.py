"""What an experiment's train.py imports: configuration, modes, search, tracking, checkpoints."""
