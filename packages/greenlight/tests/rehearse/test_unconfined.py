"""Without a sandbox: what a command started is ended with it, and its limits hold."""

import os
import sys
import textwrap

import pytest

from greenlight.rehearse.sandbox import Limits, Stop, Unconfined
from greenlight.rehearse.sandbox.group import group
from packages.greenlight.tests.rehearse.attacks import BOMB, all_gone


def run(code, folder, **limits):
    return Unconfined(folder).run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        environment={"PATH": os.environ["PATH"]},
        limits=Limits(**{"seconds": 60.0, **limits}),
        log=folder.parent / "log",
    )


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def _grouped():
    with group(10) as made:
        if made is None:
            pytest.skip("no control group can be made here")


def test_the_status_and_the_output_are_the_commands_own(folder):
    ended = run("print('out'); raise SystemExit(7)", folder)
    assert (ended.status, ended.stopped) == (7, None)
    assert (folder.parent / "log").read_text(encoding="utf-8") == "out\n"


@pytest.mark.usefixtures("_grouped")
def test_processes_that_left_their_session_and_lost_their_parents_are_ended(folder, tmp_path):
    mark = f"left-{tmp_path.name}"
    ended = run(
        f"""
        import os, sys
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(300)', '{mark}'])
            os._exit(0)
        os.wait()
        """,
        folder,
    )
    assert ended.status == 0
    assert all_gone(mark)


@pytest.mark.usefixtures("_grouped")
def test_the_kernel_refuses_a_process_too_many(folder):
    ended = run(
        BOMB.format(seconds=50),
        folder,
        processes=60,
    )
    assert ended.stopped is Stop.PROCESSES
    assert ended.peak_processes <= 60
