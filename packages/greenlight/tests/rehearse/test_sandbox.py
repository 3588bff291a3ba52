"""Each test is an attack on one property of the sandbox."""

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse.sandbox import Limits, Sandbox, Stop, View, box
from greenlight.rehearse.sandbox.group import group
from packages.greenlight.tests.rehearse.attacks import BOMB, all_gone, marks


def why_not():
    try:
        box.require()
    except GreenlightError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "a sandbox can be had")


@pytest.fixture(scope="module")
def view():
    return View.of_python()


@pytest.fixture
def attack(tmp_path, view):
    """Run Python code in a sandbox; return how it ended and what it wrote."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(code, *, ports=(), environment=None, **limits):
        limits = {"seconds": 100.0, **limits}  # long, for a machine that is busy with other things
        ended = Sandbox(folder, view, ports).run(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=folder,
            environment={"PATH": os.environ["PATH"], **(environment or {})},
            limits=Limits(**limits),
            log=tmp_path / "log",
        )
        return ended, (tmp_path / "log").read_text(encoding="utf-8")

    run.folder = folder
    return run


def test_it_runs_a_command_tells_its_status_and_keeps_what_it_wrote_in_its_folder(attack):
    ended, said = attack(
        "import sys; open('made', 'w').write('x'); print('out'); print('err', file=sys.stderr); sys.exit(7)"
    )
    assert (ended.status, ended.stopped) == (7, None)
    assert sorted(said.splitlines()) == ["err", "out"]
    assert (attack.folder / "made").read_text(encoding="utf-8") == "x"
    assert attack("import os; os.kill(os.getpid(), 11)")[0].status == 128 + 11


def test_home_secrets_and_folders_that_are_not_shown_cannot_be_read(attack, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key", encoding="utf-8")
    home = Path.home() / ".greenlight-test-secret"
    home.write_text("key", encoding="utf-8")
    try:
        ended, said = attack(f"""
            import os
            for path in {[str(secret), str(home), "/etc/shadow", "/etc/passwd", "/var/log", "/srv"]!r}:
                try:
                    print(path, os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read()[:3])
                except OSError as error:
                    print(path, 'hidden')
        """)
    finally:
        home.unlink()
    assert ended.status == 0, said
    told = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert set(told.values()) == {"hidden"}, told


def test_nothing_outside_of_its_folder_can_be_written(attack, tmp_path):
    ended, said = attack(f"""
        import os, sys
        for path in ({str(tmp_path)!r}, '/usr', '/usr/bin', '/', sys.prefix, '/etc', '/proc/sys/kernel'):
            try:
                open(path + '/intruder', 'w').write('x')
                print('wrote', path)
            except OSError:
                pass
    """)
    assert ended.status == 0, said
    written = {line.split()[1] for line in said.splitlines()}
    assert written <= {"/", "/etc", str(tmp_path)}, said  # folders of its own that are gone with it
    for path in (tmp_path, Path("/"), Path("/etc"), Path(sys.prefix), Path("/usr/bin")):
        assert not (path / "intruder").exists()


def test_links_out_of_the_folder_lead_nowhere(attack, tmp_path):
    (tmp_path / "secret").write_text("key", encoding="utf-8")
    (attack.folder / "link").symlink_to(tmp_path / "secret")
    ended, said = attack("print(open('link').read())")
    assert ended.status == 1
    assert "FileNotFoundError" in said


def test_its_environment_holds_what_is_given_and_nothing_else(attack, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    _, said = attack("import os; print(sorted(os.environ))", environment={"GIVEN": "1"})
    assert "WANDB_API_KEY" not in said
    assert set(eval(said)) <= {"GIVEN", "PATH", "PWD", "LC_CTYPE"}


@contextlib.contextmanager
def serving(answer):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_only_the_ports_that_are_let_in_can_be_reached(attack):
    with serving(b"in") as let_in, serving(b"secret") as kept_out:
        ended, said = attack(
            f"""
            import urllib.request
            for port in ({let_in}, {kept_out}):
                try:
                    print(port, urllib.request.urlopen(f'http://127.0.0.1:{{port}}/', timeout=60).read())
                except OSError as error:
                    print(port, 'closed')
            """,
            ports=[let_in],
        )
    assert ended.status == 0, said
    assert said.splitlines() == [f"{let_in} b'in'", f"{kept_out} closed"]


def test_addresses_and_names_outside_cannot_be_reached(attack):
    machine = next(
        (a[4][0] for a in socket.getaddrinfo(socket.gethostname(), None) if not a[4][0].startswith("127.")), "10.0.0.1"
    )
    ended, said = attack(f"""
        import socket
        for host in ('1.1.1.1', '169.254.169.254', {machine!r}, 'example.com', '::1'):
            try:
                socket.create_connection((host, 80), timeout=3)
                print('reached', host)
            except OSError:
                pass
    """)
    assert (ended.status, said) == (0, "")
    assert ended.seconds < 60


def test_no_process_of_the_outside_is_visible_and_signals_reach_none(attack):
    victim = subprocess.Popen(["sleep", "60"])
    try:
        ended, said = attack(f"""
            import os, signal
            names = [open(f'/proc/{{p}}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit()]
            print('sleep' in names, len(names) < 10)
            for number in ({victim.pid}, {os.getpid()}):
                try:
                    os.kill(number, 9)
                except OSError:
                    pass
            os.kill(-1, signal.SIGCONT)
        """)
        assert said.startswith("False True"), (ended, said)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_processes_that_leave_the_session_do_not_outlive_the_command(attack, tmp_path):
    mark = f"outlives-{tmp_path.name}"
    ended, _ = attack(f"""
        import os, subprocess, sys
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(300)', '{mark}'])
                os._exit(0)
    """)
    assert ended.status == 0
    assert all_gone(mark)


def test_time_is_limited_also_for_a_command_that_ignores_signals(attack, tmp_path):
    mark = f"ignores-{tmp_path.name}"
    began = time.monotonic()
    ended, _ = attack(
        f"import signal, time\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n'{mark}'\ntime.sleep(300)",
        seconds=1.0,
    )
    assert ended.stopped is Stop.TIME
    assert time.monotonic() - began < 60
    assert all_gone(mark)


@pytest.fixture
def grouped():
    with group(100) as made:
        if made is None:
            pytest.skip("no control group can be made here")
    return made.folder.parent


def test_a_fork_bomb_is_stopped_and_never_has_more_processes_than_its_limit(attack, grouped):
    ended, _ = attack(BOMB.format(seconds=90), processes=100)
    assert ended.stopped is Stop.PROCESSES
    assert 50 < ended.peak_processes <= 100
    assert not list(grouped.glob(f"greenlight-{os.getpid()}-*"))


def test_a_limit_of_processes_that_was_reached_for_a_moment_is_told(attack, grouped):
    ended, _ = attack(BOMB.format(seconds=0.1), processes=20)
    assert ended.stopped is Stop.PROCESSES


def test_where_no_group_can_be_made_the_number_of_processes_is_watched(attack, monkeypatch):
    monkeypatch.setattr(box, "group", lambda processes: contextlib.nullcontext())
    ended, _ = attack(
        # One parent alone forks: thousands in the blink between two looks would starve whatever else is tested.
        "import os, time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(90)\n    time.sleep(0.002)",
        processes=100,
    )
    assert ended.stopped is Stop.PROCESSES


def test_memory_is_limited_over_all_processes_together(attack):
    ended, _ = attack(
        """
        import os, time
        for _ in range(3):
            if os.fork() == 0:
                block = bytearray(os.urandom(1 << 20)) * 120
                time.sleep(90)
        time.sleep(90)
        """,
        memory_bytes=200 * 2**20,
    )
    assert ended.stopped is Stop.MEMORY
    assert ended.peak_memory_bytes > 200 * 2**20


def test_the_disk_is_limited_in_its_folder_and_in_tmp_and_for_a_single_file(attack):
    fills = """
        import time
        for number in range(200):
            with open(f'{0}/part-{{number}}', 'wb') as file:
                file.write(bytes(1 << 20))
            time.sleep(0.02)
        time.sleep(90)
    """
    for place in (".", "/tmp"):
        ended, _ = attack(fills.format(place), disk_bytes=40 * 2**20)
        assert ended.stopped is Stop.DISK, place
        for file in attack.folder.glob("part-*"):
            file.unlink()
    ended, _ = attack("open('one', 'wb').write(bytes(64 << 20))", disk_bytes=40 * 2**20)
    assert ended.status != 0
    assert (attack.folder / "one").stat().st_size <= 40 * 2**20


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_the_program_that_made_it(tmp_path, number):
    mark = f"orphan-{tmp_path.name}"
    (tmp_path / "work").mkdir()
    code = f"""
        import os, sys
        from pathlib import Path
        from greenlight.rehearse.sandbox import Limits, Sandbox, View
        folder = Path({str(tmp_path / "work")!r})
        Sandbox(folder, View.of_python()).run(
            [sys.executable, '-c', 'import time; print("up", flush=True); time.sleep(300)', '{mark}'],
            cwd=folder, environment={{'PATH': os.environ['PATH']}}, limits=Limits(60.0), log=folder.parent / 'log')
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not (tmp_path / "log").exists() or "up" not in (tmp_path / "log").read_text(encoding="utf-8"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert any(pid != parent.pid for pid in marks(mark))
    with group(100) as made:
        groups = [] if made is None else list(made.folder.parent.glob(f"greenlight-{parent.pid}-*"))
        assert len(groups) == (made is not None)
    parent.send_signal(number)
    parent.wait(60)
    assert all_gone(mark)
    until = time.monotonic() + 20
    while any(folder.exists() for folder in groups):
        assert time.monotonic() < until, groups
        time.sleep(0.05)


def test_two_sandboxes_do_not_see_each_other(attack, tmp_path, view):
    other = tmp_path / "other"
    other.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    first = threading.Thread(
        target=lambda: Sandbox(other, view).run(
            [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
            cwd=other,
            environment={"PATH": os.environ["PATH"]},
            limits=Limits(4.0),
            log=tmp_path / "other.log",
        )
    )
    first.start()
    time.sleep(1.5)
    ended, said = attack(f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=2)")
    first.join()
    assert ended.status == 1, said


def test_where_no_sandbox_can_be_had_it_says_so_and_names_the_way_out(monkeypatch, tmp_path, view):
    monkeypatch.setattr(box.shutil, "which", lambda name: None)
    with pytest.raises(GreenlightError, match=r"install bubblewrap, or take the risk with --no-sandbox"):
        Sandbox(tmp_path, view)
