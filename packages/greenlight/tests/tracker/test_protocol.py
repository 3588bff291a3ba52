"""What the server takes and refuses, spoken to in plain HTTP."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import threading
import urllib.parse
import urllib.request
from typing import Any

import pytest

HISTORY = "wandb-history.jsonl"
FILES = (
    'mutation F($files: [String!]!) { createRunFiles(input: {entityName: "e", projectName: "p", runName: "up",'
    " files: $files}) { files { name uploadUrl } } }"
)


def rows(tracker: Any, path: str) -> list[dict[str, Any]]:
    entity, project, run = path.split("/")
    query = (
        "query H($e: String, $p: String, $r: String!)"
        " { project(entityName: $e, name: $p) { run(name: $r) { history } } }"
    )
    found = tracker.graphql(query, e=entity, p=project, r=run)["project"]["run"]["history"]
    return [json.loads(line) for line in found]


def refused(tracker: Any, query: str, **variables: Any) -> str:
    status, body = tracker.ask("POST", "/graphql", json.dumps({"query": query, "variables": variables}).encode())
    assert status in (200, 400)
    return " ".join(error["message"] for error in json.loads(body)["errors"])


def upload_address(tracker: Any, name: str) -> str:
    tracker.make_run("e/p/up")
    return str(tracker.graphql(FILES, files=[name])["createRunFiles"]["files"][0]["uploadUrl"])


@pytest.mark.parametrize("credentials", [None, "api:" + "0" * 40, "api:", "nonsense", "api:\u00fc"])
@pytest.mark.parametrize("path", ["/graphql", "/files/e/p/r/file_stream", "/-/data/projects"])
def test_without_the_right_key_nothing_is_answered(tracker: Any, credentials: str | None, path: str) -> None:
    headers = (
        {} if credentials is None else {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
    )
    method = "GET" if path.startswith("/-") else "POST"
    status, body = tracker.ask(method, path, None if method == "GET" else b"{}", headers, key=False)
    assert status == 401
    assert b"WANDB_API_KEY" in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "localhost@evil"])
@pytest.mark.parametrize("path", ["/", "/-/login", "/-/static/app.css", "/-/data/projects"])
def test_a_foreign_host_name_is_refused(tracker: Any, host: str, path: str) -> None:
    status, body = tracker.ask("GET", path, headers={"Host": host})
    assert (status, b"127.0.0.1 and localhost only" in body) == (403, True)


def test_a_request_that_is_sent_twice_changes_nothing(tracker: Any) -> None:
    tracker.make_run("e/p/twice")
    sent = [{"_step": i, "v": i} for i in range(10)]
    for _ in range(3):
        tracker.log("e/p/twice", 0, sent)
    assert json.loads(tracker.ask("GET", "/-/data/rows/e/p/twice")[1])["epoch"] == 0, "no page has to read it all again"
    tracker.log("e/p/twice", 5, [{"_step": i, "v": i} for i in range(5, 15)])
    assert rows(tracker, "e/p/twice") == [{"_step": i, "v": i} for i in range(15)]
    keys = tracker.graphql(
        '{ project(entityName: "e", name: "p") { run(name: "twice") { historyKeys historyLineCount } } }'
    )
    run = keys["project"]["run"]
    assert run["historyLineCount"] == 15
    assert run["historyKeys"]["lastStep"] == 14
    assert run["historyKeys"]["keys"]["v"]["typeCounts"] == [{"type": "number", "count": 15}]


def test_a_rewritten_line_replaces_the_old_one_and_its_counts(tracker: Any) -> None:
    tracker.make_run("e/p/rewritten")
    tracker.log("e/p/rewritten", 0, [{"_step": 0, "a": 1}, {"_step": 1, "a": 1}])
    tracker.log("e/p/rewritten", 1, [{"_step": 1, "b": "x"}])
    assert rows(tracker, "e/p/rewritten") == [{"_step": 0, "a": 1}, {"_step": 1, "b": "x"}]
    keys = tracker.graphql('{ project(entityName: "e", name: "p") { run(name: "rewritten") { historyKeys } } }')
    counted = keys["project"]["run"]["historyKeys"]["keys"]
    assert counted["a"]["typeCounts"] == [{"type": "number", "count": 1}]
    assert counted["b"]["typeCounts"] == [{"type": "string", "count": 1}]


def test_console_lines_are_overwritten_as_a_progress_bar_does(tracker: Any) -> None:
    tracker.make_run("e/p/bar")
    tracker.post("e/p/bar", "output.log", 0, ["0%", "other"])
    tracker.post("e/p/bar", "output.log", 0, ["100%"])
    found = tracker.graphql(
        '{ project(entityName: "e", name: "p") { run(name: "bar") { logLines(last: 9) { edges { node { line } } } } } }'
    )
    assert [edge["node"]["line"] for edge in found["project"]["run"]["logLines"]["edges"]] == ["100%", "other"]


def test_many_threads_on_one_run_and_many_runs_lose_nothing(tracker: Any) -> None:
    for i in range(4):
        tracker.make_run(f"e/threads/r{i}")

    def write(i: int) -> None:
        for k in range(10):
            tracker.log(
                f"e/threads/r{i % 4}",
                (i // 4 * 10 + k) * 10,
                [{"_step": (i // 4 * 10 + k) * 10 + j} for j in range(10)],
            )

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        assert [row["_step"] for row in rows(tracker, f"e/threads/r{i}")] == list(range(200))


def test_without_resume_a_run_starts_over_and_the_old_one_keeps_its_rows(tracker: Any) -> None:
    first = tracker.make_run("e/p/over", displayName="over", jobProgram="a.py")
    assert tracker.make_run("e/p/over", displayName="over", jobProgram="a.py") == first, (
        "a repeated request is no new run"
    )
    tracker.log("e/p/over", 0, [{"_step": 0, "v": 1}])
    assert tracker.make_run("e/p/over", config='{"a": {"value": 1}}') == first, (
        "a change of the configuration is no new run"
    )
    assert tracker.make_run("e/p/over", displayName="over", jobProgram="a.py") != first
    assert rows(tracker, "e/p/over") == []
    assert rows(tracker, "e/p/over~1") == [{"_step": 0, "v": 1}]


def test_the_end_of_a_run_decides_its_state(tracker: Any) -> None:
    def state() -> str:
        found = tracker.graphql('{ project(entityName: "e", name: "p") { run(name: "ends") { state } } }')
        return str(found["project"]["run"]["state"])

    tracker.make_run("e/p/ends")
    assert state() == "running"
    tracker.log("e/p/ends", 0, [], complete=True, exitcode=1)
    assert state() == "failed"
    tracker.log("e/p/ends", 0, [{"_step": 0}])
    assert state() == "running", "a resumed run runs"
    tracker.log("e/p/ends", 0, [], complete=True, exitcode=0)
    assert state() == "finished"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", b"not JSON"),
        (b"[1]", b"is an object"),
        (b'{"files": 3}', b"'files' is an object"),
        (b'{"files": {"wandb-history.jsonl": {"offset": -1, "content": []}}}', b"offset"),
        (b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": [3]}}}', b"list of strings"),
        (b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{"]}}}', b"not a JSON object"),
        (
            b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{\\"_step\\": 0}", "[]"]}}}',
            b"not a JSON object",
        ),
        (b'{"files": {"wandb-summary.json": {"offset": 0, "content": ["3"]}}}', b"not a JSON object"),
        (b'{"exitcode": "x"}', b"exitcode"),
        (b'{"files": {"output.log": {"offset": 0, "content": ["\\ud800"]}}}', b"not valid Unicode"),
        (b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": ["' + b'{\\"a\\":' * 5000 + b'"]}}}', b""),
        (b"[" * 100_000, b""),
        (b"\xff\xfe", b""),
    ],
)
def test_a_malformed_stream_request_is_refused_whole_with_a_sentence(tracker: Any, body: bytes, reason: bytes) -> None:
    tracker.make_run("e/p/bad")
    status, answer = tracker.ask("POST", "/files/e/p/bad/file_stream", body)
    assert status == 400
    assert reason in answer
    assert b"Traceback" not in answer
    assert rows(tracker, "e/p/bad") == []


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"query": 3}', b'{"query": "{ viewer {"}', b'{"query": "{ nothing }"}']
)
def test_a_malformed_graphql_request_is_refused_with_a_sentence(tracker: Any, body: bytes) -> None:
    status, answer = tracker.ask("POST", "/graphql", body)
    assert status == 400
    assert json.loads(answer)["errors"][0]["message"]


def test_gzip_bodies_are_unpacked_and_bombs_are_not(tracker: Any) -> None:
    tracker.make_run("e/p/packed")
    packed = gzip.compress(json.dumps({"files": {HISTORY: {"offset": 0, "content": ['{"_step":0,"v":NaN}']}}}).encode())
    gzipped = {"Content-Encoding": "gzip"}
    assert tracker.ask("POST", "/files/e/p/packed/file_stream", packed, gzipped)[0] == 200
    assert len(rows(tracker, "e/p/packed")) == 1
    assert tracker.ask("POST", "/files/e/p/packed/file_stream", packed[:-9], gzipped)[0] == 400
    assert tracker.ask("POST", "/files/e/p/packed/file_stream", b"plain", gzipped)[0] == 400
    bomb = gzip.compress(b" " * (70 << 20), 1)
    assert len(bomb) < 1_000_000
    assert tracker.ask("POST", "/files/e/p/packed/file_stream", bomb, gzipped)[0] == 413
    assert tracker.ask("POST", "/graphql", b"{}", {"Content-Encoding": "br"})[0] == 400


def test_an_unknown_run_and_an_unusable_name_are_named(tracker: Any) -> None:
    status, body = tracker.post("e/p/ghost", HISTORY, 0, [])
    assert (status, b"run 'ghost' not found" in body) == (404, True)
    make = "mutation M($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }"
    for name in ("a/b", "", ".", "x" * 200, "a\nb"):
        assert "an id has 1 to 128 characters" in refused(tracker, make, input={"name": name, "modelName": "p"})
    assert "entity 'files'" in refused(tracker, make, input={"name": "a", "entityName": "files"})
    assert "not a JSON object" in refused(tracker, make, input={"name": "a", "config": "[]"})
    assert "not one that this server gave" in refused(tracker, make, input={"id": "zzz"})


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "a/../../b", "..", "a//b", "a\\..\\b", "C:/x", "a\x00b", "", "x" * 2000]
)
def test_a_file_name_that_climbs_is_refused(tracker: Any, name: str) -> None:
    tracker.make_run("e/p/up")
    assert "a name is relative" in refused(tracker, FILES, files=[name])


def test_an_upload_needs_a_signed_address_and_nothing_of_it_can_be_changed(tracker: Any) -> None:
    address = upload_address(tracker, "dir/f.bin")
    token = address.rsplit("/", 2)[1]
    body, signature = token.split(".")
    ticket = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**ticket, "target": "other"}).encode()).decode().rstrip("=")
    for bad in (
        address.replace(signature, "A" * len(signature)),
        address.replace(body, forged),
        address.replace(token, "x"),
    ):
        assert tracker.ask("PUT", bad, b"data")[0] == 403, "the key does not help: the address alone says what is meant"
    assert tracker.ask("GET", address, key=False)[0] == 403, "an upload address does not download"
    assert tracker.ask("PUT", address, b"data", key=False)[0] == 200
    found = tracker.graphql(
        '{ project(entityName: "e", name: "p")'
        ' { run(name: "up") { files { edges { node { name directUrl md5 } } } } } }'
    )
    (edge,) = found["project"]["run"]["files"]["edges"]
    assert edge["node"]["name"] == "dir/f.bin"
    assert edge["node"]["md5"] == base64.b64encode(hashlib.md5(b"data").digest()).decode()
    assert tracker.ask("GET", edge["node"]["directUrl"], key=False) == (200, b"data")
    assert tracker.ask("PUT", edge["node"]["directUrl"], b"other")[0] == 403, "a download address does not upload"


def test_uploads_lie_inside_the_data_folder_under_names_of_our_own(tracker: Any) -> None:
    assert (
        tracker.ask("PUT", upload_address(tracker, "weird/päth & name?.html"), b"<script>alert(1)</script>", key=False)[
            0
        ]
        == 200
    )
    stored = [path for path in tracker.data_dir.rglob("*") if path.is_file()]
    assert all(path.resolve().is_relative_to(tracker.data_dir.resolve()) for path in stored)
    assert not [path for path in stored if "script" in path.name or "weird" in str(path)]
    assert not list((tracker.data_dir / "incoming").iterdir())


def test_a_stored_page_cannot_run_in_the_browser(tracker: Any) -> None:
    assert tracker.ask("PUT", upload_address(tracker, "a.html"), b"<script>alert(1)</script>", key=False)[0] == 200
    found = tracker.graphql(
        '{ project(entityName: "e", name: "p")'
        ' { run(name: "up") { files(names: ["a.html"]) { edges { node { directUrl } } } } } }'
    )
    with urllib.request.urlopen(found["project"]["run"]["files"]["edges"][0]["node"]["directUrl"]) as response:
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_an_artifact_is_not_committed_with_content_that_differs_or_is_missing(tracker: Any) -> None:
    tracker.make_run("e/p/up")
    content = b"weights"
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    create = tracker.graphql(
        "mutation C($input: CreateArtifactInput!) { createArtifact(input: $input) { artifact { id state } } }",
        input={
            "entityName": "e",
            "projectName": "p",
            "runName": "up",
            "artifactTypeName": "t",
            "artifactCollectionName": "c",
            "digest": "d",
        },
    )
    artifact = create["createArtifact"]["artifact"]
    assert artifact["state"] == "PENDING"
    specs = (
        "mutation F($input: CreateArtifactFilesInput!)"
        " { createArtifactFiles(input: $input) { files { edges { node { uploadUrl } } } } }"
    )
    asked = {"artifactFiles": [{"artifactID": artifact["id"], "name": "w", "md5": digest}]}
    address = tracker.graphql(specs, input=asked)["createArtifactFiles"]["files"]["edges"][0]["node"]["uploadUrl"]
    status, body = tracker.ask("PUT", address, b"other", key=False)
    assert (status, b"the manifest says" in body) == (400, True)
    manifest = tracker.graphql(
        'mutation M($a: ID!) { createArtifactManifest(input: {artifactID: $a, name: "m", digest: "",'
        ' entityName: "e", projectName: "p",'
        ' runName: "up"}) { artifactManifest { file { uploadUrl } } } }',
        a=artifact["id"],
    )["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"]
    commit = "mutation C($a: ID!) { commitArtifact(input: {artifactID: $a}) { artifact { state versionIndex } } }"
    assert "manifest was not uploaded" in refused(tracker, commit, a=artifact["id"])
    assert tracker.ask("PUT", manifest, b"no manifest", key=False)[0] == 400
    climbing = json.dumps({"contents": {"../w": {"digest": digest, "size": 7}}}).encode()
    assert tracker.ask("PUT", manifest, climbing, key=False)[0] == 400
    listed = json.dumps({"contents": {"w": {"digest": digest, "size": 7}}}).encode()
    assert tracker.ask("PUT", manifest, listed, key=False)[0] == 200
    assert "'w' of the artifact was not uploaded" in refused(tracker, commit, a=artifact["id"])
    assert tracker.ask("PUT", address, content, key=False)[0] == 200
    committed = tracker.graphql(commit, a=artifact["id"])["commitArtifact"]["artifact"]
    assert committed == {"state": "COMMITTED", "versionIndex": 0}
    assert tracker.graphql(specs, input=asked)["createArtifactFiles"]["files"]["edges"][0]["node"]["uploadUrl"] is None
    assert tracker.ask("PUT", manifest, listed, key=False)[0] == 400, "a committed version does not change"


def test_telemetry_is_taken_without_the_key_and_dropped(tracker: Any) -> None:
    assert tracker.ask("POST", "/sdk/otel/v1/metrics", b"\x00\x01", key=False) == (200, b"")


def test_introspection_is_answered_and_claimed_features_exist(tracker: Any) -> None:
    fields = tracker.graphql('{ __type(name: "Mutation") { fields { name } } }')["__type"]["fields"]
    assert {"upsertBucket", "createArtifact", "markRunFilesUploaded"} <= {field["name"] for field in fields}
    assert "linkArtifact" not in {field["name"] for field in fields}
    features = tracker.graphql("{ serverInfo { features { name isEnabled } } }")["serverInfo"]["features"]
    assert all(feature["isEnabled"] for feature in features)
    assert "STRUCTURED_CONSOLE_LOGS" not in {feature["name"] for feature in features}


def test_several_writers_of_one_run_are_refused_by_name(tracker: Any) -> None:
    body = json.dumps({"query": "{ viewer { id } }"}).encode()
    status, answer = tracker.ask("POST", "/graphql", body, {"X-WANDB-USE-ASYNC-FILESTREAM": "true"})
    assert (status, b'mode "shared"' in answer) == (400, True)


def login(tracker: Any, key: str, to: str = "/") -> Any:
    host = urllib.parse.urlsplit(tracker.base).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(
        "POST",
        "/-/login?to=" + urllib.parse.quote(to, safe=""),
        urllib.parse.urlencode({"key": key}),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_the_login_gives_a_strict_cookie_that_reads_and_does_not_write(tracker: Any) -> None:
    response = login(tracker, tracker.key, "/e/p")
    assert (response.status, response.headers["Location"]) == (303, "/e/p")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert tracker.key not in cookie
    session = {"Cookie": cookie.split(";")[0]}
    assert tracker.ask("GET", "/-/data/projects", headers=session, key=False)[0] == 200
    assert tracker.ask("POST", "/graphql", b"{}", session, key=False)[0] == 401
    assert tracker.ask("POST", "/files/e/p/r/file_stream", b"{}", session, key=False)[0] == 401
    assert login(tracker, "0" * 40).status == 403
    assert "Set-Cookie" not in login(tracker, "").headers


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nX: y"])
def test_the_login_leads_nowhere_else(tracker: Any, target: str) -> None:
    assert login(tracker, tracker.key, target).headers["Location"] == "/"


def test_static_files_are_those_of_the_package_only(tracker: Any) -> None:
    assert tracker.ask("GET", "/-/static/app.css", key=False)[0] == 200
    for name in ("login.html", "..%2F__init__.py", "%2e%2e%2fkey.py", "schema.graphql"):
        assert tracker.ask("GET", f"/-/static/{name}", key=False)[0] == 404
