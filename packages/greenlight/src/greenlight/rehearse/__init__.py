"""Execute an experiment's own commands, unmodified, against stand-in services, and watch."""
