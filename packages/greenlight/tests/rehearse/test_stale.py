"""What a killed rehearsal left goes with the next one, and nothing else does."""

import fcntl
import tempfile

import pytest

from greenlight.rehearse.stale import private_folder, sweep


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("greenlight.rehearse.stale._LONGEST", 4096)
    return tmp_path


def left_behind(base):
    """What kill -9 leaves: the folder, its file, and no lock."""
    with private_folder() as folder:
        copy = base / "copy"
        copy.mkdir()
        for path in folder.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        name = folder.name
    copy.rename(base / name)
    return base / name


def test_the_folder_that_a_killed_rehearsal_left_is_removed(base):
    stale = left_behind(base)
    with private_folder() as folder:
        assert folder.parent == base
        assert not stale.exists()


def test_a_folder_that_is_in_use_stays(base):
    with private_folder() as folder:
        sweep(base)
        assert folder.exists()


@pytest.mark.parametrize("name", ["greenlight-demo", "greenlight-rehearsal-notes"])
def test_a_trackers_data_stay_though_they_have_a_lock_that_nobody_holds(base, name):
    data = base / name
    data.mkdir()
    (data / "lock").touch()
    (data / "tracker.db").write_text("runs")
    sweep(base)
    assert (data / "tracker.db").read_text() == "runs"


def test_a_link_to_a_folder_is_not_followed(base):
    stale = left_behind(base)
    elsewhere = base / "elsewhere"
    stale.rename(elsewhere)
    (base / stale.name).symlink_to(elsewhere)
    sweep(base)
    assert elsewhere.exists()


def test_a_folder_whose_lock_another_process_holds_stays(base):
    stale = left_behind(base)
    with next(stale.iterdir()).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(base)
        assert stale.exists()
    sweep(base)
    assert not stale.exists()
