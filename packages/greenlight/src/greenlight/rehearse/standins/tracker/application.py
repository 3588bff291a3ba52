"""The tracker put together: routes, gate, errors, and the store closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from . import pages, wire
from .gate import Gate
from .services import CRASHED_AFTER_S, opened


def build(data_dir: Path, crashed_after_s: float | None) -> Starlette:
    """Return the application; see :func:`greenlight.rehearse.standins.tracker.app`."""
    services = opened(data_dir, CRASHED_AFTER_S if crashed_after_s is None else crashed_after_s)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        services.database.close()

    application = Starlette(
        routes=[*wire.ROUTES, *pages.ROUTES],
        middleware=[Middleware(Gate, seal=services.seal)],
        exception_handlers={**wire.ERRORS},
        lifespan=lifespan,
    )
    application.state.services = services
    return application
