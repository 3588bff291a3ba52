"""Learning-rate planners that know how much wall-clock time is left.

A planner is added to a training loop in five lines; see the package's README.
"""

from graff import planners
from graff.budget import Budget, Reading
from graff.energy import EnergyMeter
from graff.errors import GraffError
from graff.planners import Planner, StepReport
from graff.planners.cosine import Cosine
from graff.planners.fixed import Fixed
from graff.planners.graff import Graff
from graff.planners.linear import Linear
from graff.planners.reactor import Reactor

__all__ = [
    "Budget",
    "Cosine",
    "EnergyMeter",
    "Fixed",
    "Graff",
    "GraffError",
    "Linear",
    "Planner",
    "Reactor",
    "Reading",
    "StepReport",
    "planners",
]
