"""The command, as a user types it."""

import json
import subprocess
import sys

import pytest

from greenlight.contract.experiment import FILES

GOOD_MODEL = "def size() -> int:\n    return 3\n"
RULES = ("--select", "GL101", "--select", "GL501")


def greenlight(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "greenlight", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "experiment"
    for path in FILES:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x = 1\n" if path.endswith(".py") else "", encoding="utf-8")
    return folder


def test_ready_is_0_not_ready_is_1_and_no_review_is_2(experiment):
    assert greenlight("review", experiment, *RULES).returncode == 0
    (experiment / "src" / "model.py").write_text("def size(:\n", encoding="utf-8")
    (experiment / "src" / "main.py").unlink()
    told = greenlight("review", experiment, *RULES)
    assert told.returncode == 1
    assert "GL101 syntax-error" in told.stdout
    assert "def size(:" in told.stdout
    assert "^" in told.stdout
    assert "GL501 missing-file" in told.stdout
    assert "not ready: 2 findings" in told.stdout
    for bad in (
        ["review", "absent"],
        ["review", experiment, "--select", "GL999"],
        ["review", experiment, "--format", "x"],
    ):
        refused = greenlight(*bad)
        assert refused.returncode == 2
        assert refused.stdout == ""
        assert refused.stderr.startswith("error: ")
        assert refused.stderr.count("\n") == 1


def test_the_json_has_the_recorded_reviewers_fields(experiment):
    (experiment / "src" / "main.py").unlink()
    whole = json.loads(greenlight("review", experiment, *RULES, "--format", "json").stdout)
    assert whole["is_code_ready"] is False
    assert "src/main.py is missing" in whole["code_issue"]
    assert [entry["state"] for entry in whole["criteria"]][4] == "fail"
    (finding,) = whole["findings"]
    assert finding["rule"] == "GL501"
    assert finding["path"] == "src/main.py"


def test_a_report_goes_to_a_file_and_the_status_stays(experiment, tmp_path):
    (experiment / "src" / "main.py").unlink()
    out = tmp_path / "report.sarif"
    told = greenlight("review", experiment, *RULES, "--format", "sarif", "--output", out)
    assert (told.returncode, told.stdout) == (1, "")
    assert json.loads(out.read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert greenlight("review", experiment, "--output", tmp_path / "no" / "where").returncode == 2


def test_a_baseline_takes_known_findings_out_also_when_lines_move(experiment, tmp_path):
    broken = experiment / "src" / "model.py"
    broken.write_text("def size(:\n", encoding="utf-8")
    known = tmp_path / "baseline.json"
    assert greenlight("review", experiment, *RULES, "--baseline", known).returncode == 2
    assert greenlight("review", experiment, *RULES, "--baseline", known, "--update-baseline").returncode == 1
    assert greenlight("review", experiment, *RULES, "--baseline", known).returncode == 0
    broken.write_text("# a comment more\n\ndef size(:\n", encoding="utf-8")
    moved = greenlight("review", experiment, *RULES, "--baseline", known)
    assert moved.returncode == 0
    assert "1 in the baseline" in moved.stdout
    broken.write_text("def other(:\n", encoding="utf-8")
    assert greenlight("review", experiment, *RULES, "--baseline", known).returncode == 1
    known.write_text("{}", encoding="utf-8")
    assert greenlight("review", experiment, *RULES, "--baseline", known).returncode == 2


def test_a_comment_with_a_reason_takes_a_finding_out_and_one_without_does_not(experiment):
    broken = experiment / "src" / "model.py"
    broken.write_text("def size(:  # greenlight: ignore[GL101] shows the parser's message\n", encoding="utf-8")
    muted = greenlight("review", experiment, *RULES)
    assert muted.returncode == 0
    assert "1 suppressed by comments" in muted.stdout
    assert greenlight("review", experiment, *RULES, "--isolated").returncode == 1
    for comment in ("# greenlight: ignore[GL101]", "# greenlight: ignore[GL102] another rule"):
        broken.write_text(f"def size(:  {comment}\n", encoding="utf-8")
        assert greenlight("review", experiment, *RULES).returncode == 1
    broken.write_text("def size(:  # greenlight: ignore[GL101]\n", encoding="utf-8")
    assert "src/model.py:1 ignore[GL101] gives no reason" in greenlight("review", experiment, *RULES).stdout


def test_settings_of_the_nearest_pyproject_count_unless_isolated(experiment):
    (experiment / "src" / "main.py").unlink()
    settings = experiment.parent / "pyproject.toml"
    settings.write_text('[tool.greenlight]\nselect = ["GL501", "GL101"]\nignore = ["missing-file"]\n', encoding="utf-8")
    told = greenlight("review", experiment)
    assert told.returncode == 0
    assert "ignores missing-file" in told.stdout
    assert greenlight("review", experiment, "--isolated", *RULES).returncode == 1
    for line, says in (("selct = []", "did you mean select?"), ("select = 3", "it is a list of strings")):
        settings.write_text(f"[tool.greenlight]\n{line}\n", encoding="utf-8")
        refused = greenlight("review", experiment)
        assert refused.returncode == 2
        assert says in refused.stderr


def test_fix_refuses_what_has_no_files_and_leaves_a_clean_folder_alone(experiment, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in experiment.rglob("*")}
    assert greenlight("review", experiment, *RULES, "--fix").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in experiment.rglob("*")} == before
    bundle = tmp_path / "bundle.json"
    bundle.write_text('{"train_py": ""}', encoding="utf-8")
    assert "unpack it to a folder" in greenlight("review", bundle, "--fix").stderr


def test_a_rule_is_explained_and_an_unknown_one_names_the_nearest():
    told = greenlight("rule", "missing-file")
    assert told.returncode == 0
    assert told.stdout.startswith("# GL501 missing-file")
    assert "## Invalid" in told.stdout
    refused = greenlight("rule", "mising-file")
    assert refused.returncode == 2
    assert "did you mean GL501 (missing-file)?" in refused.stderr
    listed = greenlight("rules")
    assert "GL501 missing-file" in listed.stdout


def test_a_crash_of_the_gate_itself_is_no_verdict(experiment):
    code = """
import sys, greenlight.gate, greenlight.cli
greenlight.gate.submission = None
sys.argv[1:] = ["review", "."]
greenlight.cli.main()
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=experiment, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stderr.startswith("Traceback")


def test_an_interrupted_review_is_no_verdict(experiment):
    code = """
import sys, greenlight.gate, greenlight.cli

def interrupted(path):
    raise KeyboardInterrupt

greenlight.gate.submission = interrupted
sys.argv[1:] = ["review", "."]
greenlight.cli.main()
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=experiment, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "interrupted; nothing was judged\n")
