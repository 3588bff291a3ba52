"""What is installed where the declared environment cannot be had; `own` is real, the packages are tiny."""

import urllib.request

import pytest

from greenlight.contract.submission import Submission
from greenlight.rehearse.preparing import prepare


def has_no_index():
    try:
        urllib.request.urlopen("https://pypi.org/simple/six/", timeout=10).close()
    except OSError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(has_no_index()), reason=f"PyPI cannot be reached: {has_no_index()}")


def prepared(tmp_path, pyproject, code="import six\n"):
    files = {"pyproject.toml": pyproject.encode(), "src/train.py": code.encode()}
    told = []
    return prepare(Submission("one", "bundle", files), tmp_path / "environments", told.append), told


def test_a_table_that_uv_refuses_is_mended_in_the_copy_and_told(tmp_path):
    made, told = prepared(tmp_path, '[project]\nname = "a"\nversion = "0"\n[project.dependencies]\nsix = ">=1.16"\n')
    (trouble,) = made.trouble
    assert "expected a sequence" in trouble.words
    assert "dependencies = [" in trouble.mended
    assert b'"six>=1.16"' in made.files["pyproject.toml"]
    assert (made.environment.packages, made.environment.broken) == (1, ())
    assert any("scratch copy" in line for line in told)


def test_versions_that_do_not_exist_are_told_and_the_newest_are_taken(tmp_path):
    pyproject = '[project]\nname = "a"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["six>=900"]\n'
    made, _ = prepared(tmp_path, pyproject)
    (trouble,) = made.trouble
    assert "six>=900" in trouble.words
    assert trouble.line == 5
    assert made.environment.note.startswith("the newest versions of what is declared and imported")
    assert made.environment.packages == 1
    assert made.files["pyproject.toml"] == pyproject.encode(), "the copy keeps what the experiment says"


def test_a_package_that_is_imported_and_not_declared_is_told_and_brought(tmp_path):
    pyproject = '[project]\nname = "a"\nversion = "0"\nrequires-python = ">=3.11"\n'
    made, _ = prepared(tmp_path, pyproject, "import yaml\n")
    (trouble,) = made.trouble
    assert "import yaml" in trouble.words
    assert made.environment.packages == 1
