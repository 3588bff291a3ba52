"""The address of a judge, and what keeps code and key from going anywhere else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

from greenlight.endpoints import is_loopback
from greenlight.errors import GreenlightError
from greenlight.judge.opinion import one_line

KEY_VARIABLE = "GREENLIGHT_JUDGE_KEY"
"""The environment variable that holds the key; a key is never an argument of a command, where other users see it."""

_LONGEST_S = 86400.0


@dataclass(frozen=True)
class Endpoint:
    """Where a judge answers; made by :func:`endpoint`, which checks it.

    Attributes
    ----------
    base_url
        What stands before ``/chat/completions``, such as ``https://api.openai.com/v1``.
    model
        The model's name as the server knows it.
    key
        Sent as a bearer token; never shown.
    timeout_s
        Seconds for everything together, repetitions and waiting included.
    """

    base_url: str
    model: str
    key: str | None = field(repr=False)
    timeout_s: float

    @property
    def address(self) -> str:
        """Where questions are posted."""
        return f"{self.base_url}/chat/completions"

    def followed(self, address: str, location: str) -> str | None:
        """Return the address that a redirect leads to; None where it leaves scheme, host or port."""
        try:
            here, there = urlsplit(address), urlsplit(urljoin(address, location))
            if _origin(here) != _origin(there) or there.username is not None or there.password is not None:
                return None
        except ValueError:
            return None
        # Put together from what was checked: nothing that two parsers could read in two ways is left in it.
        return f"{here.scheme}://{here.netloc}{there.path}" + (f"?{there.query}" if there.query else "")


def endpoint(base_url: str, model: str, key: str | None, timeout_s: float) -> Endpoint:
    """Return a checked endpoint.

    Raises
    ------
    GreenlightError
        For an address that is none, has credentials in it, or would send code and key over a network in the clear; for
        an empty model name, a key that no header can hold, and a time-out outside 0 to 86400 s.
    """
    base = base_url.strip().rstrip("/")
    shown = f"judge {one_line(base, 120)}"
    try:
        parts = urlsplit(base)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        raise GreenlightError(f"{shown}: no address; give one such as https://api.openai.com/v1") from None
    if parts.username is not None or parts.password is not None:
        raise GreenlightError(
            f"judge {one_line(parts.hostname or '', 120)}: an address has no user and password in it; "
            f"put the key into {KEY_VARIABLE}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GreenlightError(f"{shown}: an address begins with https:// and a host; give it with --judge-url")
    if any(c.isspace() or not c.isprintable() or not c.isascii() or c == "\\" for c in base):
        raise GreenlightError(f"{shown}: an address has only printable ASCII characters in it; write it anew")
    if parts.query or parts.fragment or parts.path.endswith("/chat/completions"):
        raise GreenlightError(f"{shown}: the base stands before /chat/completions; give that part alone")
    if parts.scheme == "http" and not is_loopback(base):
        raise GreenlightError(f"{shown}: http would send code and key in the clear; use https, or a judge on 127.0.0.1")
    if not model.strip():
        raise GreenlightError(f"model {model!r}: a judge is asked for a model by its name; give it with --judge-model")
    key = (key or "").strip() or None
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        # Not shown, and not left to the HTTP library, whose error shows it.
        raise GreenlightError(f"the key in {KEY_VARIABLE} has characters that no key has; set it anew")
    if not (math.isfinite(timeout_s) and 0 < timeout_s <= _LONGEST_S):
        raise GreenlightError(f"time-out of {timeout_s:g} s: it is above 0 and at most {_LONGEST_S:g} s; choose one")
    return Endpoint(base, model.strip(), key, float(timeout_s))


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
