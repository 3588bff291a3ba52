"""What the review finds and does not find: on recorded bundles, on mutants of valid experiments, beside other tools."""
