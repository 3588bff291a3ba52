"""How the kernel holds the number of processes: where a control group is made, and what holds a user without one."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path

import pytest

from greenlight.rehearse.sandbox import group as made_of
from greenlight.rehearse.sandbox import inside
from greenlight.rehearse.sandbox.group import _parents, group
from packages.greenlight.tests.rehearse.attacks import BOMB


def test_a_user_without_a_group_is_held_by_the_kernel_too():
    python = Path("/usr/bin/python3")
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.geteuid() == 0 else []
    if not python.exists() or not shutil.which("bwrap") or (user and not shutil.which("setpriv")):
        pytest.skip("needs bubblewrap, /usr/bin/python3, and for root setpriv")
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    if release < (5, 14):
        pytest.skip(f"Linux {os.uname().release} counts a user's processes over all namespaces")
    users = str(Path("/proc/self/ns/user").readlink())
    asked = {"doors": {}, "file_bytes": 1 << 20, "processes": 60, "users": users}
    space = ["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    count = "import glob, time; time.sleep(1); print(len(glob.glob('/proc/[0-9]*')), flush=True)"
    bomb = textwrap.dedent(BOMB.format(seconds=3)).strip()
    code = f"import os\nif os.fork() == 0:\n    {count}\n    os._exit(0)\n{bomb}"
    with tempfile.TemporaryDirectory(dir="/tmp") as shown:
        program = Path(shown, "inside.py")
        shutil.copy(inside.__file__, program)
        Path(shown).chmod(0o755)
        program.chmod(0o644)
        first = [str(python), "-I", "-S", str(program), json.dumps(asked)]
        done = subprocess.run(
            [*user, "bwrap", *space, "--cap-drop", "ALL", "--chdir", "/", *first, "--", str(python), "-c", code],
            capture_output=True,
            text=True,
            timeout=100,
        )
    assert 30 < int(done.stdout) <= 60, done.stderr


V1 = """\
30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids
"""
V2 = "35 24 0:30 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("memberships", "mounts", "expected"),
    [
        ("8:pids:/\n4:memory:/some\n0::/\n", V1, ["/sys/fs/cgroup/pids"]),
        ("8:cpu,pids:/jobs/7\n", V1.replace("rw,pids", "rw,cpu,pids"), ["/sys/fs/cgroup/pids/jobs/7"]),
        (
            "0::/user.slice/user@1000.service/app.slice/shell.scope\n",
            V2.format(root="/"),
            [f"/sys/fs/cgroup/user.slice/user@1000.service/app.slice{own}" for own in ("/shell.scope", "")],
        ),
        ("0::/docker/abc\n", V2.format(root="/docker/abc"), ["/sys/fs/cgroup"]),
        ("0::/elsewhere\n", V2.format(root="/docker/abc"), []),
        ("0::/\n", "", []),
    ],
    ids=["v1", "v1 two controllers", "v2 of a desktop", "v2 of a container", "not mounted here", "no mounts"],
)
def test_a_group_is_made_below_the_own_one_or_beside_it(memberships, mounts, expected):
    assert [str(path) for path in _parents(memberships, mounts)] == expected


def test_a_kernel_without_control_groups_offers_none(monkeypatch, tmp_path):
    monkeypatch.setattr(made_of, "_PROC", tmp_path)
    with group(100) as made:
        assert made is None
