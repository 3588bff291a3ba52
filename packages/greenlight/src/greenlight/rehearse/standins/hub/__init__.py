"""A local Hugging Face hub: unmodified `transformers`, `datasets` and `huggingface_hub` download from it.

Clients find it through ``HF_ENDPOINT``. It serves folders on disk, read only, on the loopback interface; it stands in
for the public hub in a rehearsal and replaces it on a machine without a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from greenlight.rehearse.standins.hub.embedded import embedded
from greenlight.rehearse.standins.hub.mapping import dataset, merge, model
from greenlight.rehearse.standins.hub.repository import Part, Repository

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["Part", "Repository", "app", "dataset", "embedded", "merge", "model", "serve"]


def _silent(address: str) -> None:
    del address


def app(repositories: Sequence[Repository], token: str | None = None, digests: Path | None = None) -> Starlette:
    """Return the hub as an ASGI application; a server that starts it has every file hashed before the first request.

    Parameters
    ----------
    repositories
        What to serve; configurations of one data set are joined.
    token
        What clients must send as ``Authorization: Bearer``; None asks for nothing.
    digests
        A JSON file that keeps the hashes of files above 10 MiB between starts.

    Raises
    ------
    GreenlightError
        If an id is mapped twice or the token cannot be sent in a header.
    """
    from greenlight.rehearse.standins.hub.server import build

    return build(repositories, token, digests)[0]


def serve(
    repositories: Sequence[Repository],
    port: int = 8081,
    token: str | None = None,
    on_ready: Callable[[str], None] = _silent,
    digests: Path | None = None,
) -> None:
    """Serve repositories on 127.0.0.1 until SIGINT or SIGTERM.

    Every file is hashed before the hub says that it is ready, because a client gives up on a hash after ten seconds.

    Parameters
    ----------
    repositories
        What to serve; configurations of one data set are joined.
    port
        The port; 0 takes any free one.
    token
        What clients must send as ``Authorization: Bearer``; None asks for nothing.
    on_ready
        Called once with the address for ``HF_ENDPOINT``, for instance ``http://127.0.0.1:8081``.
    digests
        A JSON file that keeps the hashes of files above 10 MiB between starts; None hashes them at every start.

    Raises
    ------
    GreenlightError
        If the port cannot be had, an id is mapped twice, a file cannot be read or the token cannot be sent in a header.
    """
    from greenlight.rehearse.standins import loopback
    from greenlight.rehearse.standins.hub.server import build

    application, hub = build(repositories, token, digests)
    listener = loopback.bind(port)
    try:
        hub.hash_everything()
        loopback.serve(application, listener=listener, on_ready=on_ready)
    finally:
        listener.close()
