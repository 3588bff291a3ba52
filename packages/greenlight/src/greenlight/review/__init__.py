"""Review: read the code of an experiment against the contract, without importing or running any of it."""
