"""The HTTP addresses that the wandb client uses: GraphQL, the file stream, uploads and downloads, telemetry."""

from __future__ import annotations

import sqlite3
import zlib
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .blobs import TooLargeError
from .graph import Caller, answer
from .runs import RefusedError
from .services import Services
from .stream import parse_post

# the client sends at most about 10 MB in one request and one line
MAX_REQUEST_BYTES: Final = 64 << 20
MAX_UPLOAD_BYTES: Final = 64 << 30


def services_of(request: Request) -> Services:
    """Return the store that the application was made with."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


def base_of(request: Request) -> str:
    """Return the address under which the client reached the tracker."""
    return f"{request.url.scheme}://{request.headers['host']}"


async def body_of(request: Request, limit_bytes: int = MAX_REQUEST_BYTES) -> bytes:
    """Return a request's body, unpacked if it is gzip.

    Raises
    ------
    TooLargeError
        If the body, packed or unpacked, is longer than the limit.
    RefusedError
        If it claims to be gzip and is not, or is packed in another way.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise RefusedError(f"content-encoding {encoding!r}: this server unpacks gzip only")
    unpack = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in request.stream():
        try:
            body += chunk if unpack is None else unpack.decompress(chunk, limit_bytes + 1 - len(body))
        except zlib.error as error:
            raise RefusedError(f"the body is not gzip ({error})") from error
        if len(body) > limit_bytes:
            raise TooLargeError(f"a body of more than {limit_bytes} bytes; the tracker takes at most that")
    if unpack is not None and not unpack.eof:
        raise RefusedError("the gzip body ends too early")
    return bytes(body)


async def graphql(request: Request) -> Response:
    """Answer POST /graphql."""
    if "x-wandb-use-async-filestream" in request.headers:
        raise RefusedError('mode "shared": this server takes one writing process for a run; drop mode="shared"')
    body = await body_of(request)
    found = await run_in_threadpool(answer, Caller(services_of(request), base_of(request)), body)
    return Response(found.body, found.status, media_type="application/json")


async def file_stream(request: Request) -> Response:
    """Answer POST /files/ENTITY/PROJECT/RUN/file_stream."""
    body = await body_of(request)
    services = services_of(request)
    parts = request.path_params

    def apply() -> Response:
        run = services.runs.run(parts["entity"], parts["project"], parts["run"])
        if run is None:
            return PlainTextResponse(f"run {parts['run']!r} not found in {parts['entity']}/{parts['project']}", 404)
        stopped = services.stream.apply(run.id, parse_post(body))
        return JSONResponse({"exitcode": None, "limits": {}, "stopped": stopped})

    return await run_in_threadpool(apply)


async def upload(request: Request) -> Response:
    """Answer PUT to a signed address: the content of a run's file, of an artifact's file, or a manifest."""
    services = services_of(request)
    ticket = services.seal.read(request.path_params["token"])
    if ticket is None or not ticket.action.startswith("put-"):
        return PlainTextResponse("this upload address is not valid, or no longer: ask for a new one", 403)
    received = await services.blobs.receive(request.stream(), MAX_UPLOAD_BYTES)

    def keep() -> None:
        if ticket.action == "put-file":
            services.files.keep(ticket.owner, ticket.target, received)
        elif ticket.action == "put-blob":
            services.artifacts.keep_blob(ticket.target, received)
        else:
            services.artifacts.keep_manifest(ticket.owner, received)

    await run_in_threadpool(keep)
    return Response(status_code=200, headers={"ETag": f'"{received.md5}"'})


async def download(request: Request) -> Response:
    """Answer GET of a signed address."""
    services = services_of(request)
    ticket = services.seal.read(request.path_params["token"])
    if ticket is None or ticket.action != "get":
        return PlainTextResponse("this download address is not valid, or no longer: ask for a new one", 403)
    return attachment(services, ticket.target, request.path_params["name"])


async def artifact_file(request: Request) -> Response:
    """Answer GET /artifactsV2/..., where the client looks for a file by the MD5 of its content."""
    return attachment(services_of(request), request.path_params["digest"], request.path_params.get("name", "file"))


def attachment(services: Services, blob: str, name: str) -> Response:
    """Return stored content so that a browser saves it and never runs it as a page of this server."""
    if not services.blobs.holds(blob):
        return PlainTextResponse("this file is not stored here (any more)", 404)
    # run-supplied HTML or SVG must stay inert even if it is opened
    headers = {
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    return FileResponse(services.blobs.path(blob), headers=headers, media_type=_media_type(name))


def _media_type(name: str) -> str:
    kinds = {
        "png": "image/png",
        "jpg": "image/jpeg",
        "jpeg": "image/jpeg",
        "gif": "image/gif",
        "json": "application/json",
    }
    return kinds.get(name.rpartition(".")[2].lower(), "application/octet-stream")


async def telemetry(request: Request) -> Response:
    """Take the client's own telemetry and drop it."""
    async for _ in request.stream():
        pass
    return Response(b"", 200)


async def refused(_: Request, error: Exception) -> Response:
    """Say in one sentence what is wrong with a request."""
    return PlainTextResponse(str(error), 400)


async def too_large(_: Request, error: Exception) -> Response:
    """Say how much is taken."""
    return PlainTextResponse(str(error), 413)


async def gone(_: Request, __: Exception) -> Response:
    """End a request whose client hung up; nobody reads this."""
    return Response(status_code=400)


async def unreadable(_: Request, __: Exception) -> Response:
    """Refuse text that is no Unicode, such as half a surrogate pair."""
    return PlainTextResponse("the request holds text that is not valid Unicode", 400)


async def too_deep(_: Request, __: Exception) -> Response:
    """Refuse JSON that is nested hundreds of levels deep."""
    return PlainTextResponse("the request holds JSON that is nested too deeply", 400)


async def not_stored(_: Request, error: Exception) -> Response:
    """Say that storing failed; the client keeps its data and tries again."""
    return PlainTextResponse(f"the tracker could not store this: {error}", 503)


ERRORS: Final = {
    RefusedError: refused, TooLargeError: too_large, ClientDisconnect: gone, UnicodeEncodeError: unreadable,
    RecursionError: too_deep, OSError: not_stored, sqlite3.OperationalError: not_stored,
}  # fmt: skip

ROUTES: Final = [
    Route("/graphql", graphql, methods=["POST"]),
    Route("/files/{entity}/{project}/{run}/file_stream", file_stream, methods=["POST"]),
    Route("/-/storage/{token}/{name}", upload, methods=["PUT"]),
    Route("/-/storage/{token}/{name}", download, methods=["GET"]),
    Route("/artifacts/{entity}/{digest}", artifact_file, methods=["GET"]),
    Route("/artifactsV2/{region}/{entity}/{project}/{collection}/{birth}/{digest}/{name:path}", artifact_file),
    Route("/artifactsV2/{region}/{entity}/{project}/{collection}/{id}/{birth}/{digest}/{name:path}", artifact_file),
    Route("/sdk/{path:path}", telemetry, methods=["POST"]),
]
