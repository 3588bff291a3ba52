"""What a browser asks for: the login, the pages, and the JSON that fills them. Nothing here writes."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from .database import EVENTS, HISTORY
from .history import plain
from .records import Run
from .runs import RefusedError
from .services import Services
from .wire import base_of, body_of, services_of

SESSION_LIFE_S: Final = 30 * 24 * 3600
ROWS_A_REPLY: Final = 20_000
LOG_TAIL: Final = 1000
MEDIA: Final = {
    "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html",
}  # fmt: skip
WRONG_KEY: Final = '<p class="error" role="alert">This is not the key of this tracker.</p>'


def _shipped(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()


async def static(request: Request) -> Response:
    """Answer /-/static/NAME from the files of this package, and Plotly's script from the plotly package."""
    name = request.path_params["name"]
    if name == "plotly.min.js":
        return FileResponse(
            _plotly(), media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"}
        )
    shipped = {item.name for item in files(__package__).joinpath("static").iterdir()}
    if name not in shipped or name.endswith(".html"):
        return PlainTextResponse("no such file", 404)
    return Response(_shipped(name), media_type=MEDIA[name.rpartition(".")[2]], headers={"Cache-Control": "no-cache"})


def _plotly() -> Path:
    # found, not imported: plotly's Python half takes a second to load and is not needed here
    found = importlib.util.find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


async def login_form(_: Request) -> Response:
    """Answer GET /-/login."""
    return _login_page(b"", 200)


async def login(request: Request) -> Response:
    """Answer POST /-/login: the key buys the page cookie."""
    seal = services_of(request).seal
    fields = parse_qs((await body_of(request, 4096)).decode("utf-8", "replace"))
    if not seal.opens(fields.get("key", [""])[0].strip()):
        return _login_page(WRONG_KEY.encode(), 403)
    target = request.query_params.get("to", "/")
    # a local path only: "//host" and "/\host" would lead elsewhere
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        target = "/"
    response = RedirectResponse(target, 303)
    response.set_cookie(
        seal.cookie_name, seal.session, max_age=SESSION_LIFE_S, path="/", httponly=True, samesite="strict"
    )
    return response


def _login_page(message: bytes, status: int) -> Response:
    return HTMLResponse(_shipped("login.html").replace(b"<!-- message -->", message), status)


async def index_page(_: Request) -> Response:
    """Answer / and /ENTITY: the list of projects."""
    return HTMLResponse(_shipped("index.html"))


async def project_page(request: Request) -> Response:
    """Answer /ENTITY/PROJECT: runs side by side."""
    parts = request.path_params
    found = await run_in_threadpool(services_of(request).runs.project, parts["entity"], parts["project"])
    return HTMLResponse(_shipped("project.html"), 200 if found else 404)


async def run_page(request: Request) -> Response:
    """Answer /ENTITY/PROJECT/runs/RUN, the address that the client prints."""
    parts = request.path_params
    found = await run_in_threadpool(services_of(request).runs.run, parts["entity"], parts["project"], parts["run"])
    return HTMLResponse(_shipped("run.html"), 200 if found else 404)


def _json(value: Any) -> Response:
    return Response(json.dumps(plain(value), allow_nan=False, separators=(",", ":")), media_type="application/json")


async def projects_data(request: Request) -> Response:
    """Answer with the projects and how many runs each has."""
    services = services_of(request)

    def collect() -> list[dict[str, Any]]:
        listed = []
        for project in services.runs.projects(request.query_params.get("entity")):
            runs = services.runs.of_project(project.id)
            listed.append({
                "entity": project.entity, "name": project.name, "runs": len(runs),
                "running": sum(run.state == "running" for run in runs),
                "active_at": max((run.heartbeat_at for run in runs), default=project.created_at),
            })  # fmt: skip
        return sorted(listed, key=lambda entry: -float(entry["active_at"]))

    return _json({"projects": await run_in_threadpool(collect)})


def _overview(run: Run) -> dict[str, Any]:
    return {
        "number": run.id, "id": run.name, "name": run.display_name or run.name, "state": run.state,
        "exit_code": run.exit_code, "created_at": run.created_at, "active_at": run.heartbeat_at,
        "duration_s": (run.ended_at or run.heartbeat_at) - run.created_at, "group": run.group_name,
        "job_type": run.job_type, "tags": json.loads(run.tags), "rows": run.history_lines, "epoch": run.epoch,
        "revision": run.revision, "config": flat(run.settings()), "summary": flat(json.loads(run.summary)),
    }  # fmt: skip


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values as one level with dotted keys; media stay whole, W&B's own entries go."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not prefix and key == "_wandb":
            continue
        if isinstance(value, dict) and value and "_type" not in value:
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


async def runs_data(request: Request) -> Response:
    """Answer with the runs of a project, the youngest first."""
    services, parts = services_of(request), request.path_params

    def collect() -> list[dict[str, Any]]:
        project = services.runs.project(parts["entity"], parts["project"])
        if project is None:
            raise RefusedError(f"there is no project {parts['entity']}/{parts['project']} here")
        return [_overview(run) for run in reversed(services.runs.of_project(project.id))]

    return _json({"runs": await run_in_threadpool(collect)})


def _run(services: Services, parts: Mapping[str, str]) -> Run:
    run = services.runs.run(parts["entity"], parts["project"], parts["run"])
    if run is None:
        raise RefusedError(f"there is no run {parts['run']} in {parts['entity']}/{parts['project']} here")
    return run


async def run_data(request: Request) -> Response:
    """Answer with everything about a run but its rows and its log."""
    services, base = services_of(request), base_of(request)

    def collect() -> dict[str, Any]:
        run = _run(services, request.path_params)
        stored = services.files.of_run(run.id)
        listed = [
            {
                "name": file.name, "size": file.size, "updated_at": file.updated_at,
                "url": services.address(base, "get", file.blob, name=file.name.rsplit("/", 1)[-1]),
            }
            for file in stored
        ]  # fmt: skip
        return {
            **_overview(run), "notes": run.notes, "host": run.host, "program": run.program, "commit": run.git_commit,
            "log_lines": run.log_lines, "event_rows": run.event_lines, "files": listed,
        }  # fmt: skip

    return _json(await run_in_threadpool(collect))


async def rows_data(request: Request) -> Response:
    """Answer with the rows of a run from ``?start=`` on, as columns; ``?stream=events`` for system metrics."""
    services = services_of(request)
    start = request.query_params.get("start", "0")
    if not start.isdecimal() or len(start) > 15:
        raise RefusedError(f"start={start[:40]!r}: a position is a number")
    stream = EVENTS if request.query_params.get("stream") == "events" else HISTORY

    def collect() -> dict[str, Any]:
        run = _run(services, request.path_params)
        columns = services.history.columns(run.id, stream, start=int(start), limit=ROWS_A_REPLY)
        full = len(columns.numbers) == ROWS_A_REPLY
        return {
            "epoch": run.epoch,
            "next": columns.next,
            "numbers": columns.numbers,
            "columns": columns.columns,
            "more": full,
        }

    return _json(await run_in_threadpool(collect))


async def log_data(request: Request) -> Response:
    """Answer with the end of a run's console log."""
    services = services_of(request)

    def collect() -> dict[str, Any]:
        run = _run(services, request.path_params)
        lines = services.history.log(run.id, last=LOG_TAIL)
        return {"total": run.log_lines, "lines": [{"number": line.number, "text": line.text} for line in lines]}

    return _json(await run_in_threadpool(collect))


RUN: Final = "/{entity}/{project}/{run}"

ROUTES: Final = [
    Route("/-/login", login_form, methods=["GET"]),
    Route("/-/login", login, methods=["POST"]),
    Route("/-/static/{name}", static),
    Route("/-/data/projects", projects_data),
    Route("/-/data/runs/{entity}/{project}", runs_data),
    Route(f"/-/data/run{RUN}", run_data),
    Route(f"/-/data/rows{RUN}", rows_data),
    Route(f"/-/data/log{RUN}", log_data),
    Route("/", index_page),
    Route("/{entity}", index_page),
    Route("/{entity}/{project}", project_page),
    Route("/{entity}/{project}/workspace", project_page),
    Route("/{entity}/{project}/runs/{run}", run_page),
    Route("/{entity}/{project}/runs/{run}/{view}", run_page),
]
