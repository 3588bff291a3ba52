"""An experiment's own requirements, installed with the real uv from an index that this file serves."""

import concurrent.futures
import contextlib
import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import tarfile
import textwrap
import threading
import time
import urllib.error
import urllib.request
import zipfile

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse.environment import Environment, InstallFailure, Unimportable, cache, current, own
from greenlight.rehearse.sandbox import Limits
from greenlight.rehearse.sandbox.box import require
from greenlight.rehearse.stage import stage


def why_not():
    if shutil.which("uv") is None:
        return "uv is not installed"
    try:
        require()
    except GreenlightError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "uv and a sandbox are here")

# A build backend of a source's own: it needs no tools, and leaves a mark wherever it runs.
BACKEND = """
import os, pathlib, zipfile

for place in {marks!r}:
    try:
        pathlib.Path(place).write_text("was here")
    except OSError:
        pass

def build_wheel(folder, settings=None, metadata=None):
    name = "{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{name}.py", "built = True")
        wheel.writestr("{name}-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n")
        wheel.writestr("{name}-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("{name}-1.dist-info/RECORD", "")
    return name

build_editable = prepare_metadata_for_build_wheel = build_wheel
"""
BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(folder, name, version, requires=(), tag="py3-none-any", **modules):
    info = f"{name}-{version}.dist-info"
    told = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for module, text in (modules or {f"{name}.py": f"version = {version!r}"}).items():
            archive.writestr(module.replace("_py", ".py").replace("_pth", ".pth"), text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")


def source(folder, name, marks):
    texts = {"pyproject.toml": BUILD, "backend.py": BACKEND.format(name=name, marks=marks)}
    texts["PKG-INFO"] = f"Metadata-Version: 1.1\nName: {name}\nVersion: 1\n"
    with tarfile.open(folder / f"{name}-1.tar.gz", "w:gz") as archive:
        for path, text in texts.items():
            member = tarfile.TarInfo(f"{name}-1/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Where code of strangers would leave marks if it ran outside of a sandbox."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def index(tmp_path_factory, outside):
    """The address of a package index with a few small packages."""
    root = tmp_path_factory.mktemp("index")
    files = root / "files"
    files.mkdir()
    wheel(files, "alpha", "1")
    wheel(files, "alpha", "2")
    wheel(files, "needs", "1", requires=["alpha<2"])
    wheel(files, "front", "1")
    wheel(files, "front", "2", requires=["onlysource"])
    wheel(files, "elsewhere", "1", tag="py3-none-macosx_12_0_arm64")
    wheel(files, "broken", "1", broken_py="raise ImportError('broken requires alpha 3, found 2')")
    wheel(files, "gpuish", "1", gpuish_py="raise ImportError('libcuda.so.1: cannot open shared object file')")
    mark = f"import pathlib; pathlib.Path({str(outside / 'started')!r}).write_text('was here')"
    wheel(files, "starter", "1", starter_py="", starter_pth=mark)
    strange = f"import pathlib; pathlib.Path({str(outside / 'own-build')!r}).write_text('was here')"
    wheel(files, "strange", "1", strange_py=strange)
    for name in ("onlysource", "docopt"):
        source(files, name, [str(outside / name)])
    simple = root / "simple"
    for path in files.iterdir():
        page = simple / path.name.partition("-")[0] / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with page.open("a") as html:
            html.write(f'<a href="/files/{path.name}#sha256={digest}">{path.name}</a>\n')
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def uv_settings(monkeypatch, index, tmp_path_factory):
    for key in [key for key in os.environ if key.startswith("UV_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-settings"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))


def project(dependencies, more=""):
    lines = "".join(f"  {json.dumps(one)},\n" for one in dependencies)
    return f'[project]\nname = "study"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [\n{lines}]\n{more}'


def made(kept, pyproject, said=None, root=None, **files):
    content = {"pyproject.toml": pyproject.encode()}
    content |= {path.replace("__", "/") + ".py": textwrap.dedent(text).encode() for path, text in files.items()}
    return own(content, root, kept, (said if said is not None else []).append)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


# -- what is installed -----------------------------------------------------------------------------------------------


def test_a_command_on_the_stage_runs_with_what_the_experiment_declares_and_nothing_else(kept, tmp_path):
    found = made(kept, project(["needs"]))
    assert isinstance(found, Environment)
    assert (found.packages, found.broken) == (2, ())
    main = b"import alpha, importlib.util\nprint(alpha.version, importlib.util.find_spec('greenlight'))"
    with stage({"src/main.py": main}, tmp_path / "work", [], environment=found) as place:
        done = place.perform(["uv", "run", "python", "-m", "src.main"], Limits(60.0))
    assert done.log.read_text(encoding="utf-8").strip() == "1 None"


def test_the_same_requirements_are_installed_once_and_found_again_without_a_network(kept, monkeypatch):
    first, second = [], []
    before = made(kept, project(["alpha==1"]), first)
    monkeypatch.setenv("UV_OFFLINE", "1")
    after = made(kept, project(["alpha==1"]), second)
    assert "installing 1 packages" in first
    assert "reusing the environment of 1 packages" in second
    assert before.python == after.python


def test_an_install_that_was_interrupted_is_made_anew(kept):
    before = made(kept, project(["alpha==2"]))
    place = before.python.parents[2]
    (place / "complete.json").unlink()
    next(place.glob("venv/lib/*/site-packages/alpha.py")).unlink()
    said = []
    assert made(kept, project(["alpha==2"]), said, src__main="import alpha").broken == ()
    assert "installing 1 packages" in said


def test_of_two_that_want_the_same_environment_at_once_one_installs_it(tmp_path):
    said = ([], [])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda heard: made(tmp_path, project(["needs"]), heard), said))
    assert found[0] == found[1]
    assert sorted("installing 2 packages" in heard for heard in said) == [False, True]


def test_environments_that_no_one_used_for_long_are_removed(tmp_path):
    ages_days = {"now": 0, "yesterday": 1.5, "old": 15}
    for name, age_days in ages_days.items():
        cache.begin(tmp_path / name)
        cache.finish(tmp_path / name, {})
        then = time.time() - age_days * 86400
        os.utime(tmp_path / name / "complete.json", (then, then))
    cache.prune(tmp_path, tmp_path / "now")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["now", "yesterday"]


def test_without_an_install_the_running_packages_are_named():
    found = current()
    assert found.packages > 5
    assert "nothing was installed" in found.note


# -- what cannot be installed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pyproject", "line", "words"),
    [
        (project(["alpha==9"]), 6, "there is no version of alpha==9"),
        (project(["alpha", "no-such-thing>=1"]), 7, "no-such-thing was not found in the package registry"),
        (project(["needs", "alpha>=2"]), None, "are incompatible"),
        (project(["alpha^1.2"]), 6, "found `^`"),
        (project(["alpha^1.2"], BUILD), 6, "found `^`"),
        ('[project]\nname = "x"\nversion = "1"\n\n[project.dependencies]\nalpha = "*"\n', 5, "expected a sequence"),
        ('[tool.poetry]\nname = "x"\n\n[tool.poetry.dependencies]\npython = "^3.10"\nalpha = "^1"\n', 4, "poetry"),
        (project(["alpha"]).replace(">=3.11", ">=3.99"), 4, "No interpreter found"),
        (project(["elsewhere"]), 6, "for the current platform"),
        ("[project\n", 1, "TOML parse error"),
    ],
    ids=["version", "name", "conflict", "caret", "caret-build", "table", "poetry", "python", "platform", "toml"],
)  # fmt: skip
def test_what_no_one_can_install_is_told_in_uvs_words_with_the_line(kept, pyproject, line, words):
    found = made(kept, pyproject)
    assert isinstance(found, InstallFailure), found
    assert words in found.words
    assert len(found.words.splitlines()) <= 15
    assert line is None or found.line == line
    assert "gl-resolve" not in found.words


def test_requirements_that_setup_py_alone_names_are_not_installed_by_uv(kept):
    found = made(kept, "", setup="from setuptools import setup\nsetup(install_requires=['alpha'])")
    assert isinstance(found, InstallFailure)
    assert "setup.py" in found.words


def test_an_empty_pyproject_installs_nothing_and_the_imports_tell_so(kept):
    found = made(kept, "", src__main="import json, alpha")
    assert (found.packages, found.broken) == (
        0,
        (Unimportable("alpha", "ModuleNotFoundError: No module named 'alpha'"),),
    )


# -- what is not the experiment's fault ------------------------------------------------------------------------------


def test_without_a_network_the_error_names_the_way_around(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(GreenlightError, match="--no-install"):
        made(tmp_path, project(["alpha"]))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    with pytest.raises(GreenlightError, match="--no-install"):
        made(tmp_path, project(["alpha==9"]))


def test_without_uv_the_error_names_the_way_around(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GreenlightError, match="install uv, or use --no-install"):
        made(tmp_path, project(["alpha"]))


def test_what_exists_as_source_only_is_no_fault_even_where_an_older_version_would_do(kept, outside):
    for name in ("onlysource", "front"):
        with pytest.raises(GreenlightError, match="onlysource: it exists as source only"):
            made(kept, project([name]))
    assert not (outside / "onlysource").exists()


@pytest.mark.parametrize(
    "pyproject",
    [
        project(["alpha @ git+https://example.org/a.git"]),
        project(["alpha"], '[tool.uv.sources]\nalpha = { path = "../elsewhere" }\n'),
        project(["alpha"], '[tool.uv]\ncache-dir = "/"\n'),
        project(["alpha"], '[[tool.uv.index]]\nname = "i"\nurl = "file:///etc"\n'),
        project(["alpha"]).replace("dependencies = [\n  \"alpha\",\n]", 'dynamic = ["dependencies"]'),
    ],
    ids=["git", "path", "setting", "index", "dynamic"],
)  # fmt: skip
def test_what_would_reach_outside_of_the_experiment_is_refused(kept, pyproject):
    with pytest.raises(GreenlightError, match="--no-install"):
        made(kept, pyproject)


# -- code of strangers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dependency", ["alpha", "alpha^1"])
def test_the_experiments_own_build_backend_is_never_run(kept, outside, dependency):
    build = '[build-system]\nrequires = ["strange"]\nbuild-backend = "strange"\n'
    dynamic = project([dependency], build).replace('version = "1"\n', 'dynamic = ["version"]\n')
    for pyproject in (
        project([dependency], build),
        dynamic,
        project([dependency], f"{build}[tool.uv]\npackage = true\n"),
    ):
        with contextlib.suppress(GreenlightError):
            made(kept, pyproject)
    assert not (outside / "own-build").exists()


def test_a_folder_that_a_lock_names_is_not_built(tmp_path, outside):
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "backend.py").write_text(BACKEND.format(name="alpha", marks=[str(outside / "locked")]))
    (strange / "pyproject.toml").write_text(
        f'[project]\nname = "alpha"\ndynamic = ["version", "dependencies"]\n{BUILD}', encoding="utf-8"
    )
    root = tmp_path / "root"
    root.mkdir()
    (root / "uv.lock").write_text(
        'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n'
        f'[[package]]\nname = "alpha"\nsource = {{ editable = "{strange}" }}\n'
        '[[package]]\nname = "study"\nversion = "1"\nsource = { virtual = "." }\ndependencies = [{ name = "alpha" }]\n'
        '[package.metadata]\nrequires-dist = [{ name = "alpha" }]\n',
        encoding="utf-8",
    )
    assert made(tmp_path / "kept", project(["alpha"]), root=root).packages == 1
    assert not (outside / "locked").exists()


@pytest.mark.parametrize("setting", ["UV_NO_CONFIG", "UV_CONFIG_FILE"])
def test_a_source_that_is_known_is_built_in_the_sandbox_and_leaves_no_mark_outside(
    tmp_path, outside, monkeypatch, setting
):
    (tmp_path / "uv.toml").touch()
    monkeypatch.setenv(setting, str(tmp_path / "uv.toml") if setting.endswith("FILE") else "1")
    said, kept = [], tmp_path / "kept"
    found = made(kept, project(["docopt"]), said, src__main="import docopt\nfrom docopt import built")
    assert found.broken == ()
    assert "building docopt in the sandbox" in said
    assert not (outside / "docopt").exists()


def test_what_an_installed_package_does_at_every_start_of_python_is_not_done_outside(kept, outside):
    for _ in range(2):
        assert made(kept, project(["starter"]), src__main="import starter").broken == ()
    assert not (outside / "started").exists()


def test_uv_sees_its_settings_and_none_of_the_users_secrets(tmp_path, monkeypatch):
    real = shutil.which("uv")
    fake = tmp_path / "uv"
    fake.write_text(f'#!/bin/sh\nenv >> {tmp_path}/seen\nexec {real} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("WANDB_API_KEY", "UV_PUBLISH_TOKEN", "UV_INDEX_THEIRS_PASSWORD", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret-value")
    monkeypatch.setenv("UV_INDEX_MINE_PASSWORD", "kept-value")
    theirs = '[[tool.uv.index]]\nname = "theirs"\nurl = "https://127.0.0.1:9/simple"\nexplicit = true\n'
    made(tmp_path, project(["alpha"], theirs))
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    assert "UV_DEFAULT_INDEX=" in seen
    assert "kept-value" in seen
    for name in ("WANDB_API_KEY", "UV_PUBLISH_TOKEN", "PYTHONPATH"):
        assert f"{name}=" not in seen
    locking = [line for line in seen.splitlines() if line.startswith("UV_INDEX_THEIRS")]
    asked = seen.count("UV_DEFAULT_INDEX=")
    assert len(locking) < asked, "the calls that read the experiment's indexes go without the password"


# -- imports ---------------------------------------------------------------------------------------------------------


def test_a_package_that_cannot_be_imported_where_all_is_installed_is_told(kept):
    main = """
    import json
    import src.train
    import broken
    import alpha
    import missing.part
    try:
        import another
    except ImportError:
        another = None
    """
    found = made(kept, project(["alpha", "broken"]), src__main=main, src__train="")
    assert found.broken == (
        Unimportable("broken", "ImportError: broken requires alpha 3, found 2"),
        Unimportable("missing.part", "ModuleNotFoundError: No module named 'missing'"),
    )


def test_a_driver_that_this_machine_lacks_is_no_fault_of_the_packages(kept):
    assert made(kept, project(["gpuish"]), src__main="import gpuish").broken == ()


# -- workspaces ------------------------------------------------------------------------------------------------------


@pytest.fixture
def member(tmp_path, outside):
    """An experiment in a workspace with a library that it imports, and a lock."""
    root = tmp_path / "workspace"
    texts = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*", "experiments/*"]\n',
        "packages/library/pyproject.toml": project([], BUILD).replace("study", "library"),
        "packages/library/backend.py": BACKEND.format(name="library", marks=[str(outside / "library")]),
        "experiments/study/pyproject.toml": project(
            ["alpha<2", "library"], "[tool.uv]\npackage = false\n[tool.uv.sources]\nlibrary = { workspace = true }\n"
        ),
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    subprocess.run(["uv", "lock", "--quiet"], cwd=root, check=True)
    return root / "experiments" / "study"


def tree(folder):
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_member_of_a_workspace_gets_its_lock_and_copies_of_its_packages_and_the_workspace_stays_as_it_is(
    kept, member, outside
):
    (member.parents[1] / "packages" / "unlocked").mkdir()  # one that a colleague has just begun
    (member.parents[1] / "packages" / "unlocked" / "pyproject.toml").write_text(
        project([]).replace("study", "unlocked")
    )
    before = tree(member.parents[1])
    said = []
    found = own(
        {"pyproject.toml": (member / "pyproject.toml").read_bytes(), "src/main.py": b"import library, alpha"},
        member, kept, said.append,
    )  # fmt: skip
    assert isinstance(found, Environment)
    assert (found.packages, found.broken) == (2, ())
    assert "building library of the workspace in the sandbox" in said
    assert tree(member.parents[1]) == before
    assert not (outside / "library").exists()
    installed = next(found.python.parents[1].glob("lib/*/site-packages/library.py"))
    assert not installed.is_relative_to(member.parents[1])


def test_a_lock_that_is_older_than_the_requirements_is_to_be_renewed(kept, member):
    pyproject = (member / "pyproject.toml").read_text(encoding="utf-8").replace("alpha<2", "alpha>=2")
    with pytest.raises(GreenlightError, match="run `uv lock` there"):
        made(kept, pyproject, root=member)


# -- the public index ------------------------------------------------------------------------------------------------


def unreachable():
    try:
        urllib.request.urlopen("https://pypi.org/simple/six/", timeout=5).close()
    except (urllib.error.URLError, OSError) as error:
        return str(error)
    return ""


def test_hydra_can_be_installed_though_what_it_requires_exists_as_source_only(kept, monkeypatch):
    if reason := unreachable():
        pytest.skip(f"the public index cannot be reached: {reason}")
    for key in ("UV_DEFAULT_INDEX", "UV_CACHE_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(key)
    found = made(kept, project(["hydra-core>=1.3"]), src__main="import hydra\nfrom omegaconf import OmegaConf")
    assert isinstance(found, Environment)
    assert found.broken == ()
    assert found.packages >= 4
