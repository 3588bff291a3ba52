"""The small grid that the tests of the bake-off run."""

from benchmarks.planners.grid import Choice, Grid, Method

METHODS = (
    Method("linear", "linear"),
    Method("fixed", "fixed"),
    Method("graff", "graff"),
    Method("flat", "graff", {"graph_edges": False}),
)
GRID = Grid(
    task=Choice("clusters", {"dev": 40, "test": 60}),
    methods=METHODS,
    rates=(3e-3, 3e-2),
    seeds=(0, 1, 2, 3, 4, 5),
    budget_s=16.0,
    clock="steps",
    shares=(0.5,),
    max_grad_norm=1.0,
    threads=1,
)
