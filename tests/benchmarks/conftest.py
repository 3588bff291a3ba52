import pytest

from benchmarks.planners.board import read_board
from benchmarks.planners.cell import run_cell
from greenlight.compare.json_files import write_json
from tests.benchmarks.bakeoff_grid import GRID


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bakeoff") / "cells"
    for cell in GRID.cells():
        write_json(made / cell.path, run_cell(cell, alone=False).as_json())
    return made


@pytest.fixture(scope="session")
def board(folder):
    return read_board(GRID, folder)
