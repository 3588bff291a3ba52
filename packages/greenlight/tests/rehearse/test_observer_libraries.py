"""What the observer notes about wandb, figures, warnings and searches, in real processes."""

import os
import subprocess
import sys
import textwrap

import pytest

from greenlight.rehearse.observer import record


@pytest.fixture
def observed(tmp_path):
    def run(code, **shrunk):
        subject, notes = tmp_path / "experiment", tmp_path / "notes"
        subject.mkdir()
        notes.mkdir()
        (subject / "code.py").write_text(textwrap.dedent(code), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "code.py"],
            cwd=subject,
            env={**os.environ, **record.environment(notes, **shrunk), "GREENLIGHT_SUBJECT": str(subject)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return record.read(notes, subject), subject

    return run


def test_every_begun_run_is_noted_with_its_id_its_place_and_whether_a_search_went_on(observed):
    noted, subject = observed("""
        import optuna, wandb
        optuna.logging.set_verbosity(optuna.logging.ERROR)

        def objective(trial):
            run = wandb.init(id="a-run", project="p", mode="disabled")
            run.finish()
            return trial.suggest_float("x", 0, 1)

        optuna.create_study().optimize(objective, n_trials=9)
        wandb.init(id="b-run", project="p", mode="offline", settings=wandb.Settings(silent=True)).finish()
        """, most_trials=2)  # fmt: skip
    begun = noted.notes["wandb init"]
    assert [(e["id"], e["searching"]) for e in begun[-1:]] == [("b-run", False)]
    assert [e["searching"] for e in begun] == [True, True, False]
    assert [e["disabled"] for e in begun] == [True, True, False]
    assert begun[0]["at"] == {"file": str(subject / "code.py"), "line": 6, "function": "objective"}


def test_a_line_whose_points_stand_alone_is_seen_not_to_be_drawn(observed):
    noted, _ = observed("""
        import matplotlib
        matplotlib.use("agg")
        import matplotlib.pyplot as plt
        nan = float("nan")
        for name, series, style in (
            ("alone", [1, nan, 2, nan, 3], "-"), ("marked", [1, nan, 2], "o"), ("joined", [1, 2, nan], "-"),
        ):
            figure, axes = plt.subplots()
            axes.plot(series, style)
            figure.savefig(name + ".png")
        figure, axes = plt.subplots()
        axes.bar([0, 1], [2, 3])
        plt.savefig("bars.pdf")
    """)
    seen = {entry["path"].rpartition("/")[2]: entry["axes"][0] for entry in noted.notes["figure"]}
    drawn = {name: (axes["lines_with_points"], axes["lines_drawn"]) for name, axes in seen.items()}
    assert drawn == {"alone.png": (1, 0), "marked.png": (1, 1), "joined.png": (1, 1), "bars.pdf": (0, 0)}
    assert seen["bars.pdf"]["patches"] == 2


def test_a_warning_that_is_shown_is_noted_with_the_line_that_it_is_about(observed):
    noted, subject = observed("""
        import warnings
        warnings.warn("old is old", FutureWarning)
        warnings.simplefilter("ignore")
        warnings.warn("hidden", FutureWarning)
    """)
    (entry,) = noted.notes["warning"]
    assert (entry["category"], entry["message"]) == ("FutureWarning", "old is old")
    assert (entry["file"], entry["line"]) == (str(subject / "code.py"), 3)


def test_an_optimizer_is_noted_with_the_place_that_steps_it_its_rate_and_its_gradients(observed):
    noted, _ = observed("""
        import torch
        learnt, idle = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
        first, second = torch.optim.Adam([learnt], lr=0.25), torch.optim.SGD([idle], lr=0.5)
        for _ in range(3):
            (learnt * 2).sum().backward()
            first.step()
            second.step()
    """)
    by_type = {facts[0]["type"]: facts[0] for key, facts in noted.totals.items() if key.startswith("optimizer")}
    assert (by_type["Adam"]["with_gradient"], by_type["Adam"]["moved"], by_type["Adam"]["first_rate"]) == (1, 1, 0.25)
    assert (by_type["SGD"]["with_gradient"], by_type["SGD"]["moved"]) == (0, 0)
    assert (by_type["Adam"]["at"]["line"], by_type["SGD"]["at"]["line"]) == (7, 8)
    assert noted.totals["steps"][0] == {"most": 3, "all": 6}
