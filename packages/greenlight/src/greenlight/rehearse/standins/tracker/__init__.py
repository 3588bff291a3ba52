"""A local server that the unmodified ``wandb`` client writes to and ``wandb.Api`` reads from, on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .key import api_key

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["api_key", "app", "serve"]


def app(data_dir: Path, *, crashed_after_s: float | None = None) -> Starlette:
    """Return the tracker as an ASGI application that keeps everything under `data_dir`.

    Parameters
    ----------
    data_dir
        A folder of its own; it is made if it is missing. The key is in its file ``api_key``.
    crashed_after_s
        Seconds of silence after which a running run counts as crashed; 120 if not given.

    Raises
    ------
    GreenlightError
        If the folder cannot be written, is used by another tracker, or holds something else.
    """
    from .application import build

    return build(data_dir, crashed_after_s)


def serve(
    data_dir: Path,
    port: int = 8080,
    on_ready: Callable[[str], None] = lambda _: None,
    *,
    crashed_after_s: float | None = None,
) -> None:
    """Serve the tracker on 127.0.0.1 until SIGINT or SIGTERM.

    Parameters
    ----------
    data_dir
        As for :func:`app`.
    port
        The port; 0 takes any free one.
    on_ready
        Called once with the base address when requests are answered; that address is the client's
        ``WANDB_BASE_URL``, and :func:`api_key` its ``WANDB_API_KEY``.
    crashed_after_s
        As for :func:`app`.

    Raises
    ------
    GreenlightError
        If the port or the folder cannot be used.
    """
    from greenlight.rehearse.standins import loopback

    listener = loopback.bind(port)
    try:
        application = app(data_dir, crashed_after_s=crashed_after_s)
        loopback.serve(application, listener=listener, on_ready=on_ready)
    finally:
        listener.close()
