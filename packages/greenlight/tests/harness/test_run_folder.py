import subprocess
import sys

import pytest

from greenlight.errors import GreenlightError
from greenlight.harness.run_folder import RunFolder


def test_a_run_is_resumed_with_its_own_configuration_only(tmp_path):
    config = {"training": {"lr": 1e-3, "betas": (0.9, 0.98)}, "seed": 0}
    RunFolder(tmp_path, "a").start(config)
    again = RunFolder(tmp_path, "a")
    assert again.known
    again.start(config)
    with pytest.raises(GreenlightError, match=r"training.lr was 0.001, now 0.01"):
        again.start({"training": {"lr": 1e-2, "betas": (0.9, 0.98)}, "seed": 0})


def test_a_finished_run_stays_finished(tmp_path):
    folder = RunFolder(tmp_path, "a")
    folder.start({})
    assert not folder.finished
    folder.finish()
    assert RunFolder(tmp_path, "a").finished


def test_a_second_process_is_refused_and_a_killed_one_lets_go(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from greenlight.harness.run_folder import RunFolder\n"
        f"with RunFolder(Path({str(tmp_path)!r}), 'a').held():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(GreenlightError, match="another process"), RunFolder(tmp_path, "a").held():
            raise AssertionError("held twice")
        other.kill()
        other.wait()
    with RunFolder(tmp_path, "a").held():
        pass


def test_a_results_dir_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(GreenlightError, match=f"results_dir={tmp_path / 'file'}: cannot be written"):
        RunFolder(tmp_path / "file", "a")
    assert (tmp_path / "file").read_text() == "kept"
