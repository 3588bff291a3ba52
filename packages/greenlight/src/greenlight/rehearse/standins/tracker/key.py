"""The tracker's key: made at first start, and what is derived from it (page sessions, signed file addresses)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from greenlight.errors import GreenlightError

KEY_FILE = "api_key"
KEY_FORM = re.compile(r"[0-9a-f]{40}")
TICKET_LIFE_S = 24 * 3600.0


def api_key(data_dir: Path) -> str:
    """Return the key of the tracker that stores under `data_dir`, making it at the first call.

    The file is readable by its owner alone. Forty hexadecimal digits are what the W&B client accepts as a key.

    Raises
    ------
    GreenlightError
        If the folder cannot be written, or the file holds something that is no key.
    """
    path = data_dir / KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _create_once(path, secrets.token_hex(20))
        key = path.read_text("ascii").strip()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GreenlightError(f"{path}: {reason}; the tracker keeps its key there, pass a writable folder") from error
    except UnicodeDecodeError:
        key = ""
    if not KEY_FORM.fullmatch(key):
        raise GreenlightError(f"{path}: a key is 40 hexadecimal digits; delete the file and a new key is made")
    return key


def _create_once(path: Path, key: str) -> None:
    """Two servers that start at once must agree: the file appears complete, and the first one wins."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, key.encode("ascii") + b"\n")
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@dataclass(frozen=True)
class Ticket:
    """What a signed address permits: one action on one stored object, until a time."""

    action: str
    """``put-file``, ``put-blob``, ``put-manifest`` or ``get``."""
    target: str
    """The stored object: a blob name, an id, or a file name within a run."""
    owner: int
    """The run or artifact that the object belongs to; 0 where the target alone identifies it."""
    expires_s: float
    """Unix time after which the address is refused."""


class Seal:
    """Signs and checks what the tracker hands out, with secrets derived from its key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._ticket_secret = hmac.digest(key.encode(), b"greenlight tracker ticket", "sha256")
        self._session = hmac.new(key.encode(), b"greenlight tracker page session", "sha256").hexdigest()
        # cookies are shared between the ports of one host: the name tells two trackers apart
        self.cookie_name = "greenlight_tracker_" + hashlib.sha256(key.encode()).hexdigest()[:8]

    def opens(self, key: str) -> bool:
        """Tell whether `key` is the tracker's key, in constant time."""
        return hmac.compare_digest(key.encode("utf-8", "replace"), self._key.encode())

    @property
    def session(self) -> str:
        """The value of the page cookie: it reads pages and is useless as a key."""
        return self._session

    def is_session(self, value: str) -> bool:
        """Tell whether `value` is the page cookie of this tracker."""
        return hmac.compare_digest(value.encode("utf-8", "replace"), self._session.encode())

    def ticket(self, action: str, target: str, owner: int = 0, life_s: float = TICKET_LIFE_S) -> str:
        """Return a token that permits `action` on `target` for `life_s` seconds."""
        payload = json.dumps(asdict(Ticket(action, target, owner, round(time.time() + life_s))), separators=(",", ":"))
        body = _encode(payload.encode())
        return f"{body}.{_encode(self._sign(body))}"

    def read(self, token: str) -> Ticket | None:
        """Return what a token permits, or None if it is forged, damaged or out of date."""
        body, _, signature = token.partition(".")
        try:
            if not hmac.compare_digest(_decode(signature), self._sign(body)):
                return None
            ticket = Ticket(**json.loads(_decode(body)))
        except (binascii.Error, ValueError, TypeError):
            return None
        return ticket if ticket.expires_s > time.time() else None

    def _sign(self, body: str) -> bytes:
        return hmac.digest(self._ticket_secret, body.encode("utf-8", "replace"), "sha256")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
