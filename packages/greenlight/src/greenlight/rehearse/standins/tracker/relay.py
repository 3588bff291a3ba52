"""Pages of a list in the shape of Relay connections, as the client asks for them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final

from .runs import RefusedError

DEFAULT_PAGE: Final = 50


def connection(
    items: Sequence[Any], first: int | None, after: str | None, node_key: Callable[[Any], str]
) -> dict[str, Any]:
    """Return one page of `items` behind the cursor `after`, in the shape of a Relay connection.

    A cursor names an item, so a page stays right when items were added before it.

    Raises
    ------
    RefusedError
        If the cursor is none of ours.
    """
    start = 0
    if after:
        try:
            position, _, key = base64.b64decode(after, validate=True).decode().partition(":")
            start = int(position) + 1
        except (binascii.Error, ValueError) as error:
            raise RefusedError(f"cursor {after[:60]!r}: not one that this server gave") from error
        start = next((i + 1 for i, item in enumerate(items) if node_key(item) == key), start)
    page = items[start : start + max(0, DEFAULT_PAGE if first is None else first)]
    edges = [{"node": item, "cursor": _cursor(start + i, node_key(item))} for i, item in enumerate(page)]
    return {
        "edges": edges,
        "pageInfo": {
            "endCursor": edges[-1]["cursor"] if edges else None,
            "hasNextPage": start + len(page) < len(items),
        },
        "totalCount": len(items),
    }


def _cursor(position: int, key: str) -> str:
    return base64.b64encode(f"{position}:{key}".encode()).decode()
