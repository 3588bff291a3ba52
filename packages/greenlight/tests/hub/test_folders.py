"""From a folder to a snapshot: what is listed, how it is hashed, and when it is looked at again."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from greenlight import assets
from greenlight.rehearse.standins import hub
from greenlight.rehearse.standins.hub import card, digests, listing
from greenlight.rehearse.standins.hub.digests import Digests, Identity
from greenlight.rehearse.standins.hub.repository import Part, Repository
from greenlight.rehearse.standins.hub.snapshot import Shelf

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is the oracle")


def _git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_DIR": str(folder.parent / "git"), "GIT_WORK_TREE": str(folder)}
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", *arguments], cwd=folder, env=environment, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def _write(folder: Path, *names: str, text: str = "{}\n") -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def _shelf(folder: Path, identifier: str = "a/b", store: Path | None = None) -> Shelf:
    return Shelf(Repository("dataset", identifier, (Part(folder),)), Digests(store))


@needs_git
def test_blobs_and_trees_are_those_of_git(tmp_path: Path) -> None:
    folder = _write(tmp_path / "work", "b.json", "a/x.json", "a/y/z.json", "a.json", "a-b.json", "é ü.json", "z/a.txt")
    (folder / "empty.bin").touch()
    _git(folder, "init", "-q")
    _git(folder, "add", "-A")
    own = Shelf(Repository("model", "a/b", (Part(folder),)), Digests()).present()
    for path, entry in own.entries.items():
        assert entry.digest.blob == _git(folder, "hash-object", path)
    assert own.folders[""] == _git(folder, "write-tree")
    assert own.folders["a/y"] == _git(folder, "write-tree", "--prefix=a/y/")


def test_a_file_above_ten_mebibytes_has_the_sha256_of_its_content_and_the_blob_of_its_pointer(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"x" * (digests.LARGE_BYTES + 1))
    found = digests.of_file(path, digests.LARGE_BYTES + 1)
    assert (
        found.sha256
        == found.etag
        == subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]
    )
    assert found.blob == digests.git_id("blob", digests.pointer(found.sha256, digests.LARGE_BYTES + 1))
    path.write_bytes(b"x" * digests.LARGE_BYTES)
    assert digests.of_file(path, digests.LARGE_BYTES).sha256 is None


def _old(path: Path) -> Identity:
    """Give a file a time stamp that has settled."""
    past_ns = time.time_ns() - 10**10
    os.utime(path, ns=(past_ns, past_ns))
    return Identity.of(path.stat())


def test_a_digest_is_computed_once_for_a_file_that_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, "x.json") / "x.json"
    identity = _old(path)
    read: list[Path] = []
    monkeypatch.setattr(digests, "of_file", lambda path, size: (read.append(path), digests.Digest("0" * 40))[1])
    known = Digests()
    for _ in range(3):
        known.of(path, identity)
    assert len(read) == 1
    path.write_text("[]\n", "utf-8")
    known.of(path, Identity.of(path.stat()))
    assert len(read) == 2


def test_a_file_written_a_moment_ago_is_hashed_again_because_its_time_stamp_may_not_tell(tmp_path: Path) -> None:
    path = _write(tmp_path, "x.json", text="a") / "x.json"
    known, status = Digests(), path.stat()
    now_ns = time.time_ns()
    os.utime(path, ns=(now_ns, now_ns))
    first = known.of(path, Identity.of(path.stat()))
    path.write_text("b", "utf-8")
    os.utime(path, ns=(now_ns, now_ns))
    assert Identity.of(path.stat()).inode == status.st_ino
    assert known.of(path, Identity.of(path.stat())) != first


def test_digests_of_large_files_are_kept_between_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = tmp_path / "x.bin", tmp_path / "cache" / "digests.json"
    path.write_bytes(b"x" * (digests.LARGE_BYTES + 1))
    identity = _old(path)
    first = Digests(store).of(path, identity)
    monkeypatch.setattr(digests, "of_file", lambda path, size: pytest.fail("hashed again"))
    assert Digests(store).of(path, identity) == first
    monkeypatch.undo()
    store.write_text("{broken", "utf-8")
    assert Digests(store).of(path, identity) == first


def test_hidden_names_and_names_without_an_address_are_not_listed(tmp_path: Path) -> None:
    _write(tmp_path, "a.json", ".env", ".git/config", "sub/.hidden/x", "back\\slash", "line\nfeed", ".huggingface.yaml")
    (tmp_path / os.fsdecode(b"latin-\xe9.txt")).touch()
    assert sorted(file.path for file in listing.listed(tmp_path)) == [".huggingface.yaml", "a.json"]


def test_a_link_is_listed_only_where_it_stays_inside(tmp_path: Path) -> None:
    folder, outside = _write(tmp_path / "in", "a.json", ".env", "sub/b.json"), _write(tmp_path / "out", "secret.json")
    for name, target in {
        "inside.json": "sub/b.json",
        "absolute.json": folder / "a.json",
        "outside.json": outside / "secret.json",
        "relative.json": "../out/secret.json",
        "around.json": "../in/../out/secret.json",
        "hidden.json": ".env",
        "broken.json": "nope",
        "loop.json": "loop.json",
        "folder": outside,
        "inner_folder": "sub",
        "above": "..",
    }.items():
        (folder / name).symlink_to(target)
    (folder / "twice.json").symlink_to("outside.json")
    assert sorted(file.path for file in listing.listed(folder)) == [
        "a.json",
        "absolute.json",
        "inside.json",
        "sub/b.json",
    ]


def test_only_a_snapshot_of_a_cache_may_link_to_blobs(tmp_path: Path) -> None:
    name = "a" * 64
    for entry in ("models--a--b", "other--a--b"):
        _write(tmp_path / entry / "blobs", name, text="weights")
        snapshot = tmp_path / entry / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / "model.safetensors").symlink_to(f"../../blobs/{name}")
    _write(tmp_path / "models--a--c" / "blobs", "b" * 64, text="of another repository")
    allowed = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    (allowed / "foreign.bin").symlink_to(f"../../../models--a--c/blobs/{'b' * 64}")
    (allowed / "ref.bin").symlink_to("../../refs/main")
    found = list(listing.listed(allowed))
    assert [(file.path, file.sha256) for file in found] == [("model.safetensors", name)]
    assert list(listing.listed(tmp_path / "other--a--b" / "snapshots" / ("0" * 40))) == []


def test_a_blob_may_be_shared_between_the_repositories_of_a_cache(tmp_path: Path) -> None:
    """huggingface_hub 2.4: blobs/<etag> of a repository is a link into the blobs of the whole cache."""
    shared = _write(tmp_path / "blobs" / "ab", "ab" + "c" * 62, text="weights") / ("ab" + "c" * 62)
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    for folder in (blobs, snapshot):
        folder.mkdir(parents=True)
    (blobs / ("d" * 64)).symlink_to(shared)
    (blobs / ("e" * 64)).symlink_to(_write(tmp_path, "secret") / "secret")
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{'d' * 64}")
    (snapshot / "escape.bin").symlink_to(f"../../blobs/{'e' * 64}")
    assert [(file.path, file.source) for file in listing.listed(snapshot)] == [("model.safetensors", shared)]


def test_the_commit_depends_on_paths_contents_and_id_and_on_nothing_else(tmp_path: Path) -> None:
    first = _shelf(_write(tmp_path / "1", "train.jsonl")).present().commit
    other = _write(tmp_path / "2", "train.jsonl")
    os.utime(other / "train.jsonl", (0, 0))
    assert _shelf(other).present().commit == first
    assert _shelf(other, "a/c").present().commit != first
    assert _shelf(_write(tmp_path / "3", "test.jsonl")).present().commit != first
    assert _shelf(_write(tmp_path / "4", "train.jsonl", text="[]\n")).present().commit != first


def test_a_shelf_follows_its_folder(tmp_path: Path) -> None:
    shelf = _shelf(_write(tmp_path, "train.jsonl"))
    seen = [shelf.present()]
    for change in (
        lambda: _write(tmp_path, "test.jsonl"),
        lambda: _write(tmp_path, "test.jsonl", text="[]\n"),
        lambda: (tmp_path / "test.jsonl").unlink(),
    ):
        change()
        seen.append(shelf.present(again=True))
    assert seen[0].commit == seen[3].commit
    assert len({found.commit for found in seen}) == 3
    assert shelf.present(again=True) is seen[3]
    with pytest.raises(NotADirectoryError, match="the folder behind a/b is gone"):
        shutil.rmtree(tmp_path) or shelf.present(again=True)


def test_many_threads_get_one_snapshot(tmp_path: Path) -> None:
    shelf = _shelf(_write(tmp_path, *(f"part-{number}.jsonl" for number in range(50))))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(shelf.present())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({snapshot.commit for snapshot in found}) == 1


def test_the_embedded_data_set_is_generated_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    starts: list[list[Repository]] = []
    threads = [threading.Thread(target=lambda: starts.append(hub.embedded(cache))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = starts
    assert first == second
    assert [(found.kind, found.id) for found in first] == [
        ("model", "greenlight/tiny-qwen3"),
        ("dataset", "greenlight/arithmetic"),
    ]
    folder = first[1].parts[0].folder
    assert [path.name for path in cache.iterdir()] == [folder.name]
    assert "configs" in card.read((folder / "README.md").read_bytes()).metadata
    monkeypatch.setattr(assets, "write_dataset", lambda folder: pytest.fail("generated again"))
    assert hub.embedded(cache) == first


def test_a_generation_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    monkeypatch.setattr(assets, "write_dataset", fail)
    with pytest.raises(OSError, match="disk full"):
        hub.embedded(tmp_path)
    assert list(tmp_path.iterdir()) == []
