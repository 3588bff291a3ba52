import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from greenlight.compare.records import check_run_ids, role
from greenlight.errors import GreenlightError
from greenlight.scaffold import checkout, new, next_commands
from greenlight.scaffold.experiment import run_ids

ROOT = Path(__file__).parents[4]


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder that lies in no checkout, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def workspace(tmp_path):
    """A checkout as far as uv's workspace is concerned."""
    root = tmp_path / "clone"
    for name in checkout.PACKAGES:
        (root / "packages" / name).mkdir(parents=True)
        (root / "packages" / name / "pyproject.toml").touch()
    (root / "experiments").mkdir()
    (root / "elsewhere").mkdir()
    (root / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["packages/*", "experiments/*"]\n')
    return root


def project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("", "say something like first-try"),
        ("My Study", "say my-study"),
        ("My.Study_2", "say my-study-2"),
        ("2nd-try", "say nd-try"),
        ("../up", "say up"),
        ("a--b", "say a-b"),
        ("-a", "say a"),
        ("a-", "say a"),
        ("a\n", "say a"),
        ("ünder", "say nder"),
        ("{{sources}}", "say sources"),
        ("251109", "say something like first-try"),
        ("a" * 41, "say " + "a" * 40),
        ("torch", "say my-torch"),
        ("scikit_learn", "say my-scikit_learn"),
        ("proposed-two", "leave the word out"),
        ("baseline", "leave the word out"),
    ],
)
def test_a_bad_name_is_one_line_with_the_value_the_rule_and_the_remedy(outside, name, remedy):
    with pytest.raises(GreenlightError) as caught:
        new(name, outside)
    message = str(caught.value)
    assert "\n" not in message
    assert name.strip() in message
    assert message.endswith(remedy)
    assert list(outside.iterdir()) == []


@settings(max_examples=30, deadline=None)
@given(st.from_regex(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", fullmatch=True).filter(lambda name: len(name) <= 40))
def test_the_run_ids_of_every_name_are_valid_distinct_and_tell_the_two_sides_apart(name):
    proposed, comparative = run_ids(name)
    check_run_ids([proposed, comparative])
    assert role(proposed) == "proposed"
    if "proposed" not in name:
        assert role(comparative) == "baseline"


def test_two_names_give_different_run_ids_and_projects(outside):
    first, second = new("one", outside), new("two", outside)
    ids = [{path.stem for path in (folder / "config" / "runs").iterdir()} for folder in (first, second)]
    assert len(ids[0]) == len(ids[1]) == 2
    assert not ids[0] & ids[1]
    projects = [yaml.safe_load((f / "config" / "config.yaml").read_text())["wandb"]["project"] for f in (first, second)]
    assert projects == ["one", "two"]


def test_the_name_stays_a_string_wherever_it_is_written(outside):
    for name in ("null", "true", "e10", "on"):
        folder = new(name, outside)
        assert yaml.safe_load((folder / "config" / "config.yaml").read_text())["wandb"]["project"] == name
        assert project(folder)["project"]["name"] == name


def test_an_existing_folder_is_refused_and_left_as_it_was(outside):
    (outside / "mine").mkdir()
    (outside / "mine" / "file").write_text("precious")
    (outside / "link").symlink_to(outside / "nowhere")
    (outside / "a-file").touch()
    for name in ("mine", "link", "a-file"):
        with pytest.raises(
            GreenlightError, match=rf"{name}: there already, and nothing is overwritten; choose another"
        ):
            new(name, outside)
    assert (outside / "mine" / "file").read_text() == "precious"
    assert {path.name for path in outside.iterdir()} == {"mine", "link", "a-file"}


def test_an_empty_folder_is_filled(outside):
    (outside / "mine").mkdir()
    assert (new("mine", outside) / "src" / "train.py").is_file()


def test_a_parent_that_is_not_there_is_named(outside):
    with pytest.raises(GreenlightError, match=r"nowhere: no such folder; make it or name another, --folder"):
        new("mine", outside / "nowhere")


def test_a_writing_that_fails_leaves_nothing(outside, monkeypatch):
    written = []

    def full(self, *arguments, **options):
        written.append(self)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        return len(self.touch() or "")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(GreenlightError, match=r"mine: cannot be written \(No space left on device\); name a folder"):
        new("mine", outside)
    assert len(written) == 5
    assert list(outside.iterdir()) == []


def test_the_folder_may_be_read_by_whom_its_subfolders_may(outside):
    folder = new("mine", outside)
    assert folder.stat().st_mode == (folder / "src").stat().st_mode


def test_outside_of_a_checkout_the_packages_come_from_the_index(outside):
    content = project(new("mine", outside))
    assert content["tool"]["uv"] == {"package": False}
    assert {"graff", "greenlight[compare,harness]", "torch>=2.6"} <= set(content["project"]["dependencies"])


def test_a_member_of_the_workspace_takes_the_packages_of_the_workspace(workspace):
    content = project(new("mine", workspace / "experiments"))
    assert content["tool"]["uv"]["sources"] == {name: {"workspace": True} for name in checkout.PACKAGES}


@pytest.mark.parametrize("place", ["elsewhere", "."])
def test_any_other_folder_of_a_checkout_takes_the_packages_by_relative_paths(workspace, place):
    folder = new("mine", workspace / place)
    for name, source in project(folder)["tool"]["uv"]["sources"].items():
        assert source["editable"] is True
        assert not Path(source["path"]).is_absolute()
        assert (folder / source["path"]).resolve() == workspace / "packages" / name


def test_a_command_run_in_a_checkout_points_a_folder_outside_to_it(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(workspace / "experiments")
    folder = new("mine", tmp_path)
    source = project(folder)["tool"]["uv"]["sources"]["graff"]["path"]
    assert (folder / source).resolve() == workspace / "packages" / "graff"


def test_this_repository_is_a_checkout_and_another_workspace_is_none(tmp_path):
    assert checkout.find(Path(__file__)) == ROOT
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    assert checkout.find(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("not toml")
    assert checkout.find(tmp_path) is None


def test_the_next_commands_name_the_folder_as_one_would_type_it_and_both_runs(outside, workspace, monkeypatch):
    (outside / "my work").mkdir()
    review, run, compare = next_commands(new("mine", outside / "my work"))
    assert review == "greenlight review 'my work/mine'"
    assert run == "greenlight run 'my work/mine' proposed-mine-cnn-digits comparative-1-mine-cnn-digits"
    assert compare == run.replace(" run ", " compare ")
    monkeypatch.chdir(workspace)
    assert next_commands(new("mine", Path("experiments")))[0] == "uv run greenlight review experiments/mine"


def test_dependencies_that_a_name_may_not_have_are_those_of_the_written_project(outside):
    for dependency in project(new("mine", outside))["project"]["dependencies"]:
        name = dependency.partition("[")[0].partition(">")[0]
        with pytest.raises(GreenlightError, match="not called like a package it needs"):
            new(name, outside)
