"""Ask the tracker and the hub whether they answer, before minutes of a budget depend on it."""

from __future__ import annotations

import netrc
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from greenlight.data_home import tracker_home
from greenlight.errors import GreenlightError

TIMEOUT_S = 5.0


def tracker_address() -> str:
    """Return the address that the `wandb` client would use."""
    return os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").rstrip("/")


def hub_address() -> str:
    """Return the address that `huggingface_hub` would use."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def is_loopback(address: str) -> bool:
    """Say whether an address names this machine."""
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")


def check_tracker() -> None:
    """Raise unless the tracker answers and a key for it is known.

    For a tracker on this machine that was started with its default folder the key is read from there and put into
    ``WANDB_API_KEY``, so that nobody copies it by hand.

    Raises
    ------
    GreenlightError
        If the tracker cannot be reached within five seconds, or there is no key.
    """
    address = tracker_address()
    _reach(
        "tracker",
        address,
        "start one with `greenlight tracker` and set WANDB_BASE_URL to its address",
    )
    if os.environ.get("WANDB_API_KEY") or _in_netrc(address):
        return
    key_file = tracker_home() / "api_key"
    if is_loopback(address) and key_file.is_file():
        os.environ["WANDB_API_KEY"] = key_file.read_text(encoding="ascii").strip()
        return
    raise GreenlightError(f"tracker {address}: no API key; set WANDB_API_KEY (`greenlight tracker` prints its own)")


def check_hub() -> None:
    """Raise `GreenlightError` unless the hub answers; in the client's offline mode nothing is asked."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return
    _reach(
        "hub",
        hub_address(),
        "start one with `greenlight hub` and set HF_ENDPOINT to its address, or HF_HUB_OFFLINE=1 if all is cached",
    )


def _reach(what: str, address: str, remedy: str) -> None:
    if urlsplit(address).scheme not in ("http", "https"):
        raise GreenlightError(f"{what} {address}: an address begins with http:// or https://; {remedy}")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S):  # noqa: S310 - the scheme was checked above
            return
    except urllib.error.HTTPError as error:
        # An answer, whatever it says: a login page may be refused to a client without a cookie.
        error.close()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise GreenlightError(f"{what} {address}: cannot be reached ({reason}); {remedy}") from error


def _in_netrc(address: str) -> bool:
    try:
        entries = netrc.netrc(os.environ.get("NETRC") or Path.home() / ".netrc")
    except (OSError, netrc.NetrcParseError):
        return False
    split = urlsplit(address)
    return bool(entries.authenticators(split.netloc) or entries.authenticators(split.hostname or ""))
