"""What several rules need to know about an experiment, derived once."""
