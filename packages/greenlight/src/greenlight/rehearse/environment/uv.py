"""Runs uv with a known environment and a time limit, and tells whose fault a failure is."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenlight.errors import GreenlightError

LIMIT_S = 1800.0  # torch and its libraries over a slow line
_MOST_LINES, _LONGEST_LINE = 15, 400
# Of uv's own variables those that say where packages come from. UV_NO_CONFIG and UV_CONFIG_FILE must not be among them:
# with them uv passes over the requirements of source-only distributions that it is given, and would build those.
_KEPT = re.compile(
    r"(PATH|HOME|USER|LANG|LC_\w+|TMPDIR|NETRC|PYENV_ROOT|SSL_CERT_FILE|SSL_CERT_DIR|SSL_CLIENT_CERT"
    r"|XDG_(CACHE|CONFIG|DATA|STATE)_HOME|XDG_CONFIG_DIRS|(ALL|HTTP|HTTPS|NO)_PROXY|(all|http|https|no)_proxy"
    r"|UV_(CACHE_DIR|OFFLINE|LINK_MODE|KEYRING_PROVIDER|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS"
    r"|REQUEST_TIMEOUT|HTTP_\w+|CONCURRENT_\w+|PYTHON_INSTALL_DIR|EXCLUDE_NEWER|TORCH_BACKEND|FIND_LINKS|DEFAULT_INDEX"
    r"|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_STRATEGY|INDEX_(?P<index>\w+)_(USERNAME|PASSWORD)))\Z"
)
_NOISE = re.compile(r"^\s*(DEBUG|TRACE|INFO|Using (CPython|PyPy|Python)|warning: The `--pylock`)\b")
_START = re.compile(r"^(error\b|\s*×|\s*x No solution)")
_NETWORK = re.compile(
    r"error sending request|dns error|Failed to (fetch|download)|Request failed|network was disabled|timed? ?out"
    r"|Connection (refused|reset)|certificate|authentication credentials|\b(401|403|407|429|5\d\d)\b [A-Z]"
    r"|not found in the (cache|provided package locations)|No space left|Permission denied",
    re.IGNORECASE,
)
_POLICY = re.compile(r"building from source is disabled|[Bb]uilding source distributions|marked as `--no-build`")
_EXPERIMENT = re.compile(
    r"No solution found when resolving|Failed to parse|TOML parse error|references a workspace|not a workspace member"
    r"|No interpreter found|doesn't have a source distribution or wheel|Requirements contain conflicting"
    r"|is incompatible with the project|incompatible with the project's Python|depends on itself"
)


class Fault(enum.Enum):
    """What made uv fail."""

    EXPERIMENT = enum.auto()
    """What the experiment declares: no one can install it."""
    SOURCE_ONLY = enum.auto()
    """A package that would have to be built; nobody knows whether it could."""
    ELSEWHERE = enum.auto()
    """The network, the disk, or something that is not known."""


@dataclass(frozen=True)
class Ran:
    """How uv ended: its status, what it printed, its own words on a failure, and all that it told besides."""

    status: int
    output: str
    words: str
    told: str

    @property
    def fault(self) -> Fault:
        """Whose fault it is; the experiment's only where the words say so and nothing else comes into question."""
        if _NETWORK.search(self.words):
            return Fault.ELSEWHERE
        if _POLICY.search(self.words):
            return Fault.SOURCE_ONLY
        return Fault.EXPERIMENT if _EXPERIMENT.search(self.words) else Fault.ELSEWHERE


def run(
    arguments: Sequence[str],
    cwd: Path,
    *,
    without: Sequence[str] = (),
    downloads: str = "never",
    limit_s: float = LIMIT_S,
) -> Ran:
    """Run uv to its end.

    Parameters
    ----------
    arguments
        What follows ``uv``.
    cwd
        Where it runs; the only folder whose pyproject.toml it may read.
    without
        Names of indexes that the experiment brings: the user's passwords of that name are not for them.
    downloads
        When interpreters are downloaded, in uv's terms.
    limit_s
        Seconds after which it is ended.

    Raises
    ------
    GreenlightError
        If uv is not installed or does not end in time.
    """
    program = shutil.which("uv")
    if program is None:
        raise GreenlightError(
            "uv: it installs what the experiment declares, and is not on the PATH; install uv, or use --no-install"
        )
    libc = ctypes.CDLL(None)
    process = subprocess.Popen(
        [program, *arguments],
        cwd=cwd,
        env=_environment(without) | {"UV_PYTHON_DOWNLOADS": downloads},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
        # PR_SET_PDEATHSIG: also where this process is killed, no download goes on.
        preexec_fn=lambda: libc.prctl(1, signal.SIGKILL),
    )
    try:
        output, told = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise GreenlightError(
            f"uv {arguments[0]}: not done after {limit_s:.0f} s, its limit; run it by hand once to fill uv's cache, or "
            "use --no-install"
        ) from error
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return Ran(process.returncode, output, _words(told, cwd), told)


def unknown(ran: Ran, doing: str) -> GreenlightError:
    """Return the error for a failure that is not known to be the experiment's."""
    said = " ".join(ran.words.split())[:_LONGEST_LINE] or f"exit status {ran.status}"
    return GreenlightError(f"uv could not {doing}: {said}; mend that, or use --no-install")


def _environment(without: Sequence[str]) -> dict[str, str]:
    names = {re.sub(r"\W", "_", name).upper() for name in without}
    kept = {
        key: value
        for key, value in os.environ.items()
        if (found := _KEPT.match(key)) and (found["index"] or "").upper() not in names
    }
    return kept | {"UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


def _words(told: str, cwd: Path) -> str:
    lines = [line.rstrip()[:_LONGEST_LINE] for line in told.splitlines() if not _NOISE.match(line)]
    start = next((n for n, line in enumerate(lines) if _START.match(line)), 0)
    said = [line for line in lines[start:] if line][:_MOST_LINES]
    return "\n".join(said).replace(f"file://{cwd}/", "").replace(f"{cwd}/", "").replace(str(cwd), ".")
