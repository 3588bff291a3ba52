"""What arrives over the wire, byte for byte, because clients tidy paths up: attacks, ranges, writes, pages."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int, target: str, *, method: str = "GET", host: str | None = "127.0.0.1", body: str = "", **headers: str
) -> Answer:
    """Send one request byte for byte and read until the hub closes."""
    lines = [f"{method} {target} HTTP/1.1", "Connection: close"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded"] if body else []
    with socket.create_connection(("127.0.0.1", port), timeout=100) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, content = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Answer(int(first.split(" ")[1]), found, content)


TINY = "/acme/tiny/resolve/main"


@pytest.mark.parametrize(
    "target",
    [
        f"{TINY}/../../outside/secret.txt",
        f"{TINY}/sub/../../../outside/secret.txt",
        f"{TINY}/%2e%2e/%2e%2e/outside/secret.txt",
        f"{TINY}/..%2f..%2foutside%2fsecret.txt",
        f"{TINY}/%2e%2e%2f%2e%2e%2foutside/secret.txt",
        f"{TINY}/..%5c..%5coutside%5csecret.txt",
        f"{TINY}/%252e%252e/outside/secret.txt",
        f"{TINY}/config.json%00.txt",
        f"{TINY}/%00",
        f"{TINY}//outside/secret.txt",
        f"{TINY}/.env",
        f"{TINY}/%2eenv",
        f"{TINY}/.git/config",
        f"{TINY}/sub/../.env",
        f"{TINY}/link_out.txt",
        f"{TINY}/link_relative.txt",
        f"{TINY}/link_hidden.txt",
        f"{TINY}/link_folder/secret.txt",
        f"{TINY}/pipe.json",
        f"{TINY}/sub",
        f"{TINY}/",
        f"{TINY}",
        "/acme/tiny/resolve/..%2f..%2foutside/secret.txt",
        "/acme/tiny/raw/main/link_out.txt",
        "/..%2f..%2foutside/tiny/resolve/main/secret.txt",
        "/../outside/secret.txt",
        "/datasets/../acme/tiny/resolve/main/.env",
        "/api/models/acme/tiny/tree/main/link_folder",
        "/api/models/acme/tiny/tree/main/..%2f..%2foutside",
        "/api/models/acme/tiny/tree/main/.git",
        "/acme/tiny/resolve/main/%ff%fe",
    ],
)
def test_no_path_leads_out_of_the_folder_or_to_a_hidden_file(world: Any, target: str) -> None:
    found = ask(world.hub.port, target)
    assert found.status == 404
    assert b"the-secret-outside" not in found.body


def test_an_absolute_path_leads_nowhere(world: Any) -> None:
    secret = world.root / "outside" / "secret.txt"
    for target in (
        f"{TINY}/{secret}",
        f"{TINY}/{str(secret).replace('/', '%2f')}",
        str(secret),
        f"http://127.0.0.1{secret}",
    ):
        found = ask(world.hub.port, target)
        assert found.status in (400, 404), target
        assert b"the-secret-outside" not in found.body


def test_links_that_leave_are_not_listed_and_links_that_stay_are(world: Any) -> None:
    rows = ask(world.hub.port, "/api/models/acme/tiny/tree/main?recursive=true").json()
    paths = {row["path"] for row in rows}
    assert "link_in.json" in paths
    assert not {
        path for path in paths if path.startswith((".", "link_out", "link_rel", "link_hid", "link_fol", "pipe"))
    }


def test_paths_info_answers_for_what_is_there_and_passes_over_the_rest(world: Any) -> None:
    body = "paths=config.json&paths=sub&paths=..%2Foutside%2Fsecret.txt&paths=.env&paths=&expand=true"
    rows = ask(world.hub.port, "/api/models/acme/tiny/paths-info/main", method="POST", body=body).json()
    assert [(row["type"], row["path"]) for row in rows] == [("file", "config.json"), ("directory", "sub")]
    assert all(row["lastCommit"]["id"] for row in rows)


def test_a_list_of_paths_without_end_is_refused(world: Any) -> None:
    body = "paths=" + "a" * (4 * 2**20)
    assert ask(world.hub.port, "/api/models/acme/tiny/paths-info/main", method="POST", body=body).status == 413


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "", "[::]"]
)
def test_a_name_that_could_be_rebound_is_not_answered(world: Any, host: str) -> None:
    found = ask(world.hub.port, f"{TINY}/config.json", host=host)
    assert found.status == 421
    assert b"hidden_size" not in found.body


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8081", "localhost", "LOCALHOST:1", "hub.localhost", "127.1.2.3", "[::1]:80"]
)
def test_names_of_this_machine_are_answered(world: Any, host: str) -> None:
    assert ask(world.hub.port, f"{TINY}/config.json", host=host).status == 200


def test_a_request_without_host_is_refused(world: Any) -> None:
    assert ask(world.hub.port, "/", host=None).status in (400, 421)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("target", [f"{TINY}/config.json", "/api/repos/create", "/api/models/acme/tiny/commit/main"])
def test_a_write_is_refused_with_a_sentence(world: Any, method: str, target: str) -> None:
    found = ask(world.hub.port, target, method=method)
    assert found.status == 403
    assert found.json()["error"].startswith("this hub is read only")
    assert found.headers["x-error-message"] == found.json()["error"]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND"])
def test_another_method_is_refused(world: Any, method: str) -> None:
    found = ask(world.hub.port, f"{TINY}/config.json", method=method)
    assert found.status == 405
    assert found.headers["allow"] == "GET, HEAD"


def test_paths_info_is_the_only_place_for_a_post_and_takes_nothing_else(world: Any) -> None:
    assert ask(world.hub.port, "/api/models/acme/tiny/paths-info/main").status == 405
    assert ask(world.hub.port, "/acme/tiny/resolve/main/paths-info/x", method="POST").status == 405


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/acme/nope/resolve/main/config.json", "RepoNotFound"),
        ("/api/models/openai/gsm8k", "RepoNotFound"),
        ("/api/spaces/acme/tiny", "RepoNotFound"),
        ("/acme/tiny/resolve/v1/config.json", "RevisionNotFound"),
        ("/acme/tiny/resolve/refs%2Fpr%2F1/config.json", "RevisionNotFound"),
        ("/acme/tiny/resolve/refs/pr/1/config.json", "RevisionNotFound"),
        ("/api/models/acme/tiny/revision/refs%2Fconvert%2Fparquet", "RevisionNotFound"),
        (f"{TINY}/nope.json", "EntryNotFound"),
        ("/api/datasets/openai/gsm8k/tree/main/nope", "EntryNotFound"),
    ],
)
def test_what_is_missing_is_named_in_the_code_that_the_client_reads(world: Any, target: str, code: str) -> None:
    found = ask(world.hub.port, target)
    assert (found.status, found.headers["x-error-code"]) == (404, code)


def test_the_questions_to_the_parquet_export_get_a_no(world: Any) -> None:
    for host in ("datasets-server.localhost:8081", "datasets-server.127.0.0.1:8081"):
        found = ask(world.hub.port, "/parquet?dataset=openai/gsm8k", host=host)
        assert (found.status, found.json()["error"][:22]) == (404, "no parquet export here")


@pytest.fixture(scope="module")
def weights(world: Any) -> bytes:
    return bytes((world.root / "models" / "large" / "weights.gguf").read_bytes())


LARGE = "/acme/large/resolve/main/weights.gguf"


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=4-9", 4, 10),
        ("bytes=12000000-", 12_000_000, None),
        ("bytes=-7", -7, None),
        ("bytes=12582900-99999999", 12_582_900, None),
    ],
)
def test_a_range_is_exactly_the_bytes_asked_for(
    world: Any, weights: bytes, wanted: str, start: int, end: int | None
) -> None:
    found = ask(world.hub.port, LARGE, Range=wanted)
    expected = weights[start:end]
    first = start % len(weights)
    assert found.status == 206
    assert found.body == expected
    assert found.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(weights)}"


def test_a_range_behind_the_end_is_refused(world: Any, weights: bytes) -> None:
    found = ask(world.hub.port, LARGE, Range=f"bytes={len(weights)}-")
    assert (found.status, found.headers["content-range"]) == (416, f"bytes */{len(weights)}")


def test_a_large_file_is_named_by_its_sha256_and_arrives_whole(world: Any, weights: bytes) -> None:
    sha256 = hashlib.sha256(weights).hexdigest()
    head = ask(world.hub.port, LARGE, method="HEAD")
    assert head.body == b""
    assert head.headers["etag"] == head.headers["x-linked-etag"] == f'"{sha256}"'
    assert head.headers["content-length"] == head.headers["x-linked-size"] == str(len(weights))
    assert re.fullmatch(r"[0-9a-f]{40}", head.headers["x-repo-commit"])
    assert ask(world.hub.port, LARGE).body == weights


def test_a_composed_card_has_hash_ranges_and_conditions_like_a_file(world: Any) -> None:
    target = "/datasets/openai/gsm8k/resolve/main/README.md"
    whole = ask(world.hub.port, target)
    assert b"config_name: main" in whole.body
    header = b"blob %d\0" % len(whole.body)
    assert whole.headers["etag"] == f'"{hashlib.sha1(header + whole.body).hexdigest()}"'
    assert ask(world.hub.port, target, method="HEAD").headers["content-length"] == str(len(whole.body))
    for wanted, expected in (
        ("bytes=4-9", whole.body[4:10]),
        ("bytes=-3", whole.body[-3:]),
        ("bytes=5-", whole.body[5:]),
    ):
        part = ask(world.hub.port, target, Range=wanted)
        assert (part.status, part.body) == (206, expected)
    assert ask(world.hub.port, target, Range="bytes=99999-").status == 416
    assert ask(world.hub.port, target, If_None_Match=whole.headers["etag"]).status == 304


@pytest.mark.parametrize("target", [f"{TINY}/config.json", LARGE])
def test_a_known_hash_is_not_sent_again(world: Any, target: str) -> None:
    etag = ask(world.hub.port, target, method="HEAD").headers["etag"]
    for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        found = ask(world.hub.port, target, If_None_Match=tag)
        assert (found.status, found.body) == (304, b"")
    assert ask(world.hub.port, target, If_None_Match='"other"', method="HEAD").status == 200


def test_a_range_of_another_version_is_the_whole_file(world: Any) -> None:
    found = ask(world.hub.port, LARGE, method="HEAD", Range="bytes=0-9", If_Range='"other"')
    assert (found.status, found.headers["content-length"]) == (200, str(12 * 2**20 + 4))


def test_a_file_of_the_folder_is_never_a_page_of_the_hub(world: Any) -> None:
    found = ask(world.hub.port, f"{TINY}/page.html")
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in found.headers["content-security-policy"]


def test_encoded_names_reach_their_file(world: Any) -> None:
    found = ask(world.hub.port, f"{TINY}/sub/deep/na%C3%AFve%20%231%3F.txt")
    assert (found.status, found.body) == (200, b"deep")


def test_pages_show_what_is_served_with_everything_escaped(world: Any) -> None:
    home = ask(world.hub.port, "/", host=f"127.0.0.1:{world.hub.port}")
    assert f"export HF_ENDPOINT=http://127.0.0.1:{world.hub.port}" in home.body.decode()
    for identifier in ("acme/tiny", "ownerless", "datasets/openai/gsm8k"):
        assert f'href="/{identifier}"' in home.body.decode()
        assert ask(world.hub.port, f"/{identifier}").status == 200
    page = ask(world.hub.port, "/acme/tiny").body.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(2)&gt;.json" in page
    assert not re.search(r"<script|<img", page)
    assert (
        "load_dataset(&quot;openai/gsm8k&quot;, &quot;main&quot;)"
        in ask(world.hub.port, "/datasets/openai/gsm8k").body.decode()
    )


def test_the_policy_of_a_page_allows_its_own_style_and_nothing_else(world: Any) -> None:
    home = ask(world.hub.port, "/")
    styles = re.findall(r"<style>(.*?)</style>", home.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    assert home.headers["content-security-policy"].startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "frame-ancestors 'none'" in home.headers["content-security-policy"]
    assert len(styles) == 1


def test_no_page_tells_where_the_folders_are(world: Any) -> None:
    for target in ("/", "/acme/tiny", "/datasets/openai/gsm8k", "/api/models", "/acme/nope", f"{TINY}/nope"):
        assert str(world.root).encode() not in ask(world.hub.port, target).body


def test_a_page_that_is_not_there_says_how_to_serve_it(world: Any) -> None:
    found = ask(world.hub.port, "/datasets/acme/nope")
    assert found.status == 404
    assert "start it with --dataset acme/nope=FOLDER" in found.body.decode()


def test_a_browser_is_asked_for_the_token_and_an_api_client_is_told(bench: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    bench.write_model(folder)
    with bench.running([f"acme/private={folder}"], [], token="hf_right") as hub:

        def status(target: str, authorization: str = "") -> int:
            headers = {"Authorization": authorization} if authorization else {}
            return ask(hub.port, target, **headers).status

        basic = base64.b64encode(b"anybody:hf_right").decode()
        assert status("/", f"Basic {basic}") == 200
        assert status("/", "Bearer hf_right") == 200
        for wrong in ("", "Bearer hf_righ", "Bearer ", "Bearer hf_right2", "Basic hf_right", "Basic !!", "hf_right"):
            for target in ("/", "/api/models", "/acme/private/resolve/main/config.json"):
                assert status(target, wrong) == 401, (target, wrong)
        assert ask(hub.port, "/").headers["www-authenticate"].startswith("Basic")
        assert "www-authenticate" not in ask(hub.port, "/api/models").headers


def test_a_large_file_is_streamed_and_not_held_in_memory(bench: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")
    size_bytes = 300 * 2**20
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.truncate(size_bytes)
    with bench.running([f"acme/huge={tmp_path}"], []) as hub:
        status = Path(f"/proc/{hub.process.pid}/status")
        if not status.exists():
            pytest.skip("peak memory is read from /proc")

        def peak_kib() -> int:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])  # type: ignore[index]

        before_kib = peak_kib()
        received = 0
        with socket.create_connection(("127.0.0.1", hub.port)) as connection:
            request = (
                "GET /acme/huge/resolve/main/model.safetensors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            connection.sendall(request.encode())
            while chunk := connection.recv(2**20):
                received += len(chunk)
        assert size_bytes < received < size_bytes + 2000
        assert peak_kib() - before_kib < 60 * 2**10
