"""Learning-rate planners that know how much wall-clock time is left.

A planner is added to a training loop in five lines; see the package's README.
"""

from graff import planners
from graff.budget import Budget, Reading
from graff.energy import EnergyMeter
from graff.errors import GraffError
from graff.planners import Planner, StepReport
from graff.planners.bats import Bats
from graff.planners.cosine import Cosine
from graff.planners.fixed import Fixed
from graff.planners.graff import Graff
from graff.planners.hypergradient import Hypergradient
from graff.planners.linear import Linear
from graff.planners.one_minus_sqrt import OneMinusSqrt
from graff.planners.prodigy import Prodigy
from graff.planners.reactor import Reactor
from graff.planners.rex import Rex
from graff.planners.salelr import Salelr
from graff.planners.schedule_free import ScheduleFree
from graff.planners.wsd import Wsd

__all__ = [
    "Bats",
    "Budget",
    "Cosine",
    "EnergyMeter",
    "Fixed",
    "Graff",
    "GraffError",
    "Hypergradient",
    "Linear",
    "OneMinusSqrt",
    "Planner",
    "Prodigy",
    "Reactor",
    "Reading",
    "Rex",
    "Salelr",
    "ScheduleFree",
    "StepReport",
    "Wsd",
    "planners",
]
