"""The hub as an application: one address at a time, answered from the present snapshot of a repository."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.hub import answers, pages
from greenlight.rehearse.standins.hub.address import Address, parse
from greenlight.rehearse.standins.hub.digests import Digests
from greenlight.rehearse.standins.hub.download import no_entry, no_revision, resolve
from greenlight.rehearse.standins.hub.gate import Gate, error
from greenlight.rehearse.standins.hub.mapping import merge
from greenlight.rehearse.standins.hub.repository import Kind, Repository
from greenlight.rehearse.standins.hub.snapshot import Shelf

_FORM_BYTES = 4 * 2**20
_LIMIT_DIGITS = 10
_TRUE = frozenset({"true", "1", "yes", "on"})


def _true(value: str | None) -> bool:
    return (value or "").lower() in _TRUE


class Hub:
    """Answers for a set of repositories.

    Parameters
    ----------
    repositories
        What is served.
    token
        Whether visitors are told that they need one; it is checked elsewhere.
    digests
        Where hashes are kept.
    """

    def __init__(self, repositories: Sequence[Repository], *, token: bool, digests: Digests) -> None:
        self._token = token
        self._shelves: dict[tuple[Kind, str], Shelf] = {
            (repository.kind, repository.id): Shelf(repository, digests) for repository in repositories
        }

    def hash_everything(self) -> None:
        """Hash every file now: a client waits ten seconds for a hash, which is less than 15 GB take.

        Raises
        ------
        GreenlightError
            If a file cannot be read.
        """
        for (_, identifier), shelf in self._shelves.items():
            try:
                shelf.present()
            except OSError as failed:
                raise GreenlightError(f"{identifier}: {failed}; mend or remove the file and start again") from failed

    async def __call__(self, request: Request) -> Response:
        """Return the answer to one request."""
        host = request.headers.get("host", "")
        if host.lower().startswith("datasets-server."):
            return error(404, "no parquet export here: a local hub serves the files as they are")
        form = ""
        if request.method == "POST":
            try:
                form = await _form(request)
            except (ValueError, ClientDisconnect):
                return error(413, f"the list of paths is longer than {_FORM_BYTES} bytes, or no text: ask for fewer")
        try:
            return await run_in_threadpool(self._answer, request, form)
        except NotADirectoryError as gone:
            return error(404, f"{gone}: put it back or map another one", "RepoNotFound")
        except OSError as failed:
            return error(503, f"a file could not be read ({failed.strerror}): try again when the folder is at rest")

    def _answer(self, request: Request, form: str) -> Response:
        address = parse(request.scope.get("raw_path") or request.url.path.encode(), self._shelves)
        if address is None:
            return error(404, f"no such address on a local hub, which serves models and data sets: {request.url.path}")
        if address.place == "elsewhere":
            return error(404, f"{address.id}: a local hub serves models and data sets only", "RepoNotFound")
        if (address.action == "paths-info") != (request.method == "POST"):
            return error(405, "paths-info takes POST, everything else GET", headers={"Allow": "GET, HEAD, POST"})
        if address.place == "home":
            found = [shelf.present() for shelf in self._shelves.values()]
            return pages.home(f"http://{request.headers['host']}", found, token=self._token)
        if address.place == "whoami":
            return JSONResponse(answers.whoami())
        if address.place == "list":
            return JSONResponse(self._list(address.kind, request.query_params))
        shelf = self._shelves.get((address.kind, address.id))
        if shelf is None:
            return self._unknown(address)
        if address.place == "page":
            return pages.repository(shelf.present())
        return self._in_repository(shelf, address, request, form)

    def _unknown(self, address: Address) -> Response:
        kind = "model" if address.kind == "model" else "data set"
        option = "--model" if address.kind == "model" else "--dataset"
        sentence = f"{address.id} is no {kind} of this hub; start it with {option} {address.id}=FOLDER to serve one"
        return pages.missing(sentence) if address.place == "page" else error(404, sentence, "RepoNotFound")

    def _list(self, kind: Kind, query: QueryParams) -> list[answers.Json]:
        rows = [answers.info(shelf.present()) for key, shelf in self._shelves.items() if key[0] == kind]
        found = [
            row
            for row in rows
            if answers.matches(
                row, author=query.get("author"), search=query.getlist("search"), tags=query.getlist("filter")
            )
        ]
        limit = query.get("limit", "")
        return found[: int(limit)] if limit.isdecimal() and len(limit) < _LIMIT_DIGITS else found

    def _in_repository(self, shelf: Shelf, address: Address, request: Request, form: str) -> Response:
        if address.action == "resolve":
            return resolve(shelf, address.path, address.revision, request)
        snapshot = shelf.present()
        if address.revision not in snapshot.revisions:
            return no_revision(snapshot, address.revision)
        query = request.query_params
        commit = {"X-Repo-Commit": snapshot.commit}
        match address.action:
            case "info" | "revision":
                return JSONResponse(answers.info(snapshot, blobs=_true(query.get("blobs"))), headers=commit)
            case "tree":
                if address.path not in snapshot.folders and address.path not in snapshot.entries:
                    return no_entry(snapshot, address.path)
                rows = answers.tree(
                    snapshot,
                    address.path,
                    recursive=_true(query.get("recursive")),
                    expand=_true(query.get("expand")),
                )
                return JSONResponse(list(rows), headers=commit)
            case "paths-info":
                fields = parse_qs(form)
                expand = _true(fields.get("expand", [""])[0])
                return JSONResponse(
                    list(answers.paths(snapshot, fields.get("paths", []), expand=expand)), headers=commit
                )
            case "refs":
                return JSONResponse(answers.refs(snapshot), headers=commit)
            case "commits":
                return JSONResponse(answers.commits(snapshot), headers=commit)
            case _:  # auth-check
                return JSONResponse({}, headers=commit)


async def _form(request: Request) -> str:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            raise ValueError("too long")
    return body.decode()


def build(repositories: Sequence[Repository], token: str | None, digests: Path | None) -> tuple[Starlette, Hub]:
    """Return the application and the hub inside it.

    Parameters
    ----------
    repositories
        What is served; configurations of one data set are joined.
    token
        What clients must present, or None.
    digests
        A file that keeps the hashes of large files between starts, or None.

    Raises
    ------
    GreenlightError
        If two repositories collide, or the token is empty or cannot be sent in a header.
    """
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise GreenlightError(
            f"a token of {len(token)} characters: a token is visible ASCII without blanks around it, as clients send "
            "it in a header; choose another one, or none"
        )
    hub = Hub(merge(repositories), token=token is not None, digests=Digests(digests))

    async def endpoint(request: Request) -> Response:
        return await hub(request)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with suppress(GreenlightError):  # what cannot be read is answered for when it is asked for
            await run_in_threadpool(hub.hash_everything)
        yield

    methods = ["GET", "HEAD", "POST"]
    routes = [Route("/{path:path}", endpoint, methods=methods)]
    return Starlette(routes=routes, middleware=[Middleware(Gate, token=token)], lifespan=lifespan), hub
