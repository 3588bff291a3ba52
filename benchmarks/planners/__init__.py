"""The bake-off of graff's planners under equal budgets: ``uv run python -m benchmarks.planners run``."""
