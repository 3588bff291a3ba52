"""The command line: ``greenlight review | rehearse | check | demo | run | compare | tracker | hub``.

Only what every command needs is imported here; a command imports its own room when it is called: help is instant.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from greenlight.data_home import tracker_home
from greenlight.errors import GreenlightError

app = typer.Typer(
    name="greenlight",
    help="Run machine-learning experiments inside a wall-clock budget and compare them honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TRACKER_DATA = tracker_home()
HUB_CACHE = tracker_home().parent / "hub"

Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="ID=FOLDER", help="Serve a model folder under an id; repeatable.")
]
Datasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", metavar="ID[:CONFIG]=FOLDER", help="Serve a data set (JSONL, parquet, CSV); repeatable."),
]
Folder = Annotated[Path, typer.Argument(help="The experiment, for instance experiments/gsm8k.")]
Results = Annotated[Path, typer.Option("--results", help="Where results go.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a configuration key; repeatable.")
]
Rules = Annotated[list[str] | None, typer.Option(metavar="RULE", help="Id, name or prefix such as GL2; repeatable.")]
Subject = Annotated[Path, typer.Argument(help="An experiment's folder, a JSON bundle, or a recorded prompt.")]
Form = Annotated[str, typer.Option("--format", help="text, json, sarif, github or review.")]
Output = Annotated[Path | None, typer.Option(help="Write the report to a file instead of the terminal.")]
Baseline = Annotated[Path | None, typer.Option(help="Findings in this file are known and do not count.")]
Isolated = Annotated[
    bool, typer.Option("--isolated", help="Heed neither settings in pyproject.toml nor comments in the code.")
]
TrackerData = Annotated[Path, typer.Option("--data", help="Where the tracker keeps runs and its key.")]


_RESUMES = "interrupted; nothing is left running, the same command resumes a run"


@contextmanager
def _told_when_interrupted(words: str = _RESUMES) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(words, err=True)
        raise typer.Exit(130) from None


def _end_on_sigterm(number: int, _: object) -> NoReturn:
    """Leave as after Ctrl-C when a scheduler or `timeout` ends the process, with the status that shells give that."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


@app.command()
def review(
    path: Subject,
    form: Form = "text",
    output: Output = None,
    select: Rules = None,
    ignore: Rules = None,
    baseline: Baseline = None,
    update_baseline: Annotated[bool, typer.Option("--update-baseline", help="Write the baseline anew.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Make the changes that cannot break anything.")] = False,
    isolated: Isolated = False,
    judge_url: Annotated[
        str | None,
        typer.Option(
            help="Ask a language model for opinions: an OpenAI-compatible address; key in GREENLIGHT_JUDGE_KEY."
        ),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="The model that is asked.")] = None,
) -> None:
    """Read an experiment against the contract: exit status 0 ready, 1 not ready, 2 the review could not be made."""
    from greenlight.gate import Request, reviewed
    from greenlight.report import forms

    if form not in forms():
        raise GreenlightError(f"--format {form}: it is {', '.join(forms())}; choose one")
    asked = Request(
        path,
        tuple(select or ()),
        tuple(ignore or ()),
        baseline,
        update_baseline,
        fix,
        isolated,
        judge_url,
        judge_model,
    )
    with _told_when_interrupted("interrupted; nothing was judged"):
        document = reviewed(asked, colour=output is None and sys.stdout.isatty())
        _print(forms()[form](document), output)
    raise typer.Exit(document.verdict.exit_status)


Runs = Annotated[
    list[str] | None, typer.Option("--run", metavar="ID", help="Rehearse this run alone; repeatable. Default: all.")
]
NoInstall = Annotated[
    bool, typer.Option("--no-install", help="Use the current environment instead of installing the experiment's own.")
]
NoSandbox = Annotated[
    bool,
    typer.Option(
        "--no-sandbox",
        help="Run the code in the current environment with all that you may do yourself. Only for code you trust.",
    ),
]


@app.command("rehearse", help="Perform an experiment's documented commands in a sandbox with stand-ins.")
@app.command("check", help="Review and rehearse: one report, one verdict, one exit status.")
def rehearse_or_check(
    context: typer.Context,
    path: Subject,
    run_ids: Runs = None,
    model: Models = None,
    dataset: Datasets = None,
    form: Form = "text",
    output: Output = None,
    select: Rules = None,
    ignore: Rules = None,
    baseline: Baseline = None,
    isolated: Isolated = False,
    no_install: NoInstall = False,
    no_sandbox: NoSandbox = False,
) -> None:
    """Perform the documented commands, and for ``check`` review the text as well; exit status as for review."""
    from greenlight.report import forms

    if form not in forms():
        raise GreenlightError(f"--format {form}: it is {', '.join(forms())}; choose one")
    from greenlight.rehearsing import Request, rehearsed

    asked = Request(
        path,
        tuple(run_ids or ()),
        tuple(model or ()),
        tuple(dataset or ()),
        reviewed=context.info_name == "check",
        install=not no_install,
        confined=not no_sandbox,
        select=tuple(select or ()),
        ignore=tuple(ignore or ()),
        baseline=baseline,
        isolated=isolated,
    )
    signal.signal(signal.SIGTERM, _end_on_sigterm)
    with _told_when_interrupted("interrupted; nothing was judged, and nothing is left running"):
        document = rehearsed(asked, _told_aside, colour=output is None and sys.stdout.isatty())
        _print(forms()[form](document), output)
    raise typer.Exit(document.verdict.exit_status)


def _told_aside(line: str) -> None:
    """Print what goes on to the standard error: the report is all that the standard output holds."""
    typer.echo(line, err=True)


@app.command()
def rule(
    key: Annotated[str, typer.Argument(help="An id such as GL201, or a name.")],
) -> None:
    """Explain a rule: what, why, how to mend it, a valid and an invalid example."""
    from greenlight.rehearse import catalogue as observed
    from greenlight.review.catalogue import page
    from greenlight.review.registry import rule as found

    observing = observed.rule(key)
    _print(page(found(key)) if observing is None else observed.page(observing), None)


@app.command()
def rules() -> None:
    """List all rules by criterion."""
    from greenlight.rehearse.catalogue import overview

    _print(overview(), None)


def _print(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GreenlightError(f"{output}: cannot be written ({error.strerror}); name another file") from error


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The experiment's name, such as warm-restarts.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Write a new experiment that obeys the contract, passes review and runs."""
    from greenlight.scaffold import new as written
    from greenlight.scaffold import next_commands

    made = written(name, folder)
    typer.echo(f"{made}\n\n" + "\n".join(next_commands(made)))


@app.command()
def demo(
    experiment: Annotated[str, typer.Option(help="gsm8k or chipseq.")] = "gsm8k",
    seconds: Annotated[
        float | None, typer.Option(help="Budget of each run; 45 s for gsm8k and 15 s for chipseq.")
    ] = None,
    results: Results = Path("outputs/demo"),
    overrides: Overrides = None,
    stay: Annotated[
        bool | None,
        typer.Option("--stay/--no-stay", help="Keep the page up at the end until Ctrl-C; default: on a terminal."),
    ] = None,
) -> None:
    """Train some runs of an experiment under one budget on its embedded default, and compare them.

    gsm8k: GRAFF, REACTOR and time-linear. chipseq: two networks of technical noise, a GLM and depth scaling.
    """
    from rich.console import Console

    from greenlight.launch import demo as job

    stays = sys.stdout.isatty() if stay is None else stay
    with _told_when_interrupted():
        job.run(
            job.Demo(job.find_experiment(Path.cwd(), experiment), results.resolve(), overrides or [], stays, seconds),
            Console(),
        )


@app.command()
def run(
    folder: Folder,
    run_ids: Annotated[list[str], typer.Argument(help="One or more run ids of config/runs.")],
    results: Results = Path("outputs/results"),
    mode: Annotated[str, typer.Option(help="full or trial.")] = "full",
    model: Models = None,
    dataset: Datasets = None,
    overrides: Overrides = None,
    data: TrackerData = TRACKER_DATA,
) -> None:
    """Train runs of an experiment, one after another, with a tracker and a hub of our own where none is set."""
    from greenlight.launch import jobs

    with _told_when_interrupted():
        jobs.train(folder, run_ids, results.resolve(), mode, model or [], dataset or [], overrides or [], data)


@app.command()
def compare(
    folder: Folder,
    run_ids: Annotated[list[str], typer.Argument(help="The run ids to compare.")],
    results: Results = Path("outputs/results"),
    overrides: Overrides = None,
    data: TrackerData = TRACKER_DATA,
) -> None:
    """Evaluate finished runs: metrics, figures, a table with intervals, paired tests."""
    from greenlight.launch import jobs

    with _told_when_interrupted():
        jobs.evaluate(folder, run_ids, results.resolve(), overrides or [], data)


@app.command()
def tracker(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.")] = 8080,
    data: TrackerData = TRACKER_DATA,
) -> None:
    """Serve a local Weights & Biases: the unmodified wandb client writes to it, a browser shows the runs."""
    from greenlight.launch.services import sole_user
    from greenlight.rehearse.standins import tracker as server

    with sole_user(data):
        key = server.api_key(data)

        def announce(address: str) -> None:
            typer.echo(f"tracker at {address} (data in {data}); Ctrl-C stops it\n")
            typer.echo(f"export WANDB_BASE_URL={address}\nexport WANDB_API_KEY={key}")

        server.serve(data, port=port, on_ready=announce)


@app.command()
def hub(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any free one.")] = 8081,
    model: Models = None,
    dataset: Datasets = None,
    token: Annotated[
        str | None, typer.Option(envvar="GREENLIGHT_HUB_TOKEN", help="Require this HF_TOKEN; default: none.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where the embedded data set is generated.")] = HUB_CACHE,
) -> None:
    """Serve a local Hugging Face hub: the embedded default and the folders that you map."""
    from greenlight.rehearse.standins import hub as server

    served = [*server.embedded(cache), *map(server.model, model or []), *map(server.dataset, dataset or [])]

    def announce(address: str) -> None:
        typer.echo(f"hub at {address}; Ctrl-C stops it\n\nexport HF_ENDPOINT={address}")

    server.serve(served, port=port, token=token, on_ready=announce)


def main() -> NoReturn:
    """Run the command line; an error that the user can mend is one line and exit status 2.

    A crash of greenlight itself has that status too, with its traceback: 1 is for experiments that are not ready.
    """
    try:
        app(standalone_mode=True)
    except GreenlightError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - whatever it is, it is no verdict
        traceback.print_exc()
        sys.exit(2)
    sys.exit(0)
