"""The sequence of a rehearsal: trial and full of every run, evaluate, and going on after what can be mended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from greenlight.contract import commands
from greenlight.contract.submission import Submission
from greenlight.rehearse.as_written import as_written
from greenlight.rehearse.cast import LAYERS, Cast
from greenlight.rehearse.comparable import groups
from greenlight.rehearse.menders import Mended, mend
from greenlight.rehearse.produced import produced
from greenlight.rehearse.rehearsal import Act, Crash, InstallTrouble, Phase, Rehearsal
from greenlight.rehearse.sandbox import Limits
from greenlight.rehearse.shrinking import WHOLE, Shrinking, leaves_of, shrinking_of
from greenlight.rehearse.stage import Performed, Stage
from greenlight.rehearse.tracked import tracked

_MOST_ROUNDS = 25  # of mending; every one lists another crash
_SLOWER = 3.0
_TAIL_BYTES = 4000
_LARGEST_LOG = 1 << 20
_MOST_LINES = 20
FULL_STEPS = 8
"""Optimizer steps that a run's wall-clock budget lasts."""


@dataclass(frozen=True)
class Patience:
    """How long commands may take, in seconds, and how many run side by side."""

    trial_s: float = 180.0
    full_s: float = 300.0
    evaluate_s: float = 180.0
    side_by_side: int = max(1, (os.cpu_count() or 1))


@dataclass(frozen=True)
class _Order:
    phase: Phase
    run_ids: tuple[str, ...]
    command: tuple[str, ...]
    limits: Limits
    shrinking: Shrinking


class Performing:
    """One rehearsal while it goes on.

    Parameters
    ----------
    submission
        What is rehearsed.
    files
        Its files as they are staged: something may have been changed to install it.
    run_ids
        The runs.
    stage
        Where.
    patience
        Limits.
    told
        Called with a line about every command that ends.
    """

    def __init__(
        self,
        submission: Submission,
        files: Mapping[str, bytes],
        run_ids: Sequence[str],
        stage: Stage,
        patience: Patience,
        told: Callable[[str], None],
    ) -> None:
        self._submission, self._run_ids, self._stage = submission, tuple(run_ids), stage
        self._patience, self._told = patience, told
        self._files: dict[str, bytes] = dict(files)
        self._acts: list[Act] = []
        self._rounds = 0
        self._alone = stage.results.with_name("results-alone")
        self._deepen: Callable[[], Cast | None] | None = None
        self._slower = 1.0  # stand-ins of more layers take more time

    def perform(
        self,
        cast: Cast,
        environment: str,
        install: tuple[InstallTrouble, ...] | None,
        *,
        confined: bool,
        deepen: Callable[[], Cast | None] | None = None,
    ) -> Rehearsal:
        """Perform everything and return what was seen.

        Parameters
        ----------
        cast
            What the stage serves.
        environment, install, confined
            Go into what is returned as they are.
        deepen
            Makes a cast with stand-ins of more layers, for code that the others are too small for.
        """
        results, patience = self._stage.results, self._patience
        self._cast, self._deepen = cast, deepen
        self._through(
            [
                self._order(
                    Phase.TRIAL, run_id, commands.train(run_id, results, "trial", documented=True), patience.trial_s
                )
                for run_id in self._run_ids
            ]
        )
        after_trial = tracked(self._stage.tracker_data)
        self._through(
            [
                self._order(
                    Phase.FULL, run_id, commands.train(run_id, results, "full", documented=True), patience.full_s
                )
                for run_id in self._run_ids
            ]
        )
        self._evaluate()
        return Rehearsal(
            self._submission,
            self._run_ids,
            self._cast,
            tuple(self._acts),
            after_trial,
            tracked(self._stage.tracker_data),
            produced(results),
            produced(self._alone if self._alone.is_dir() else results),  # one run is evaluated once
            environment,
            install,
            confined,
            str(self._stage.experiment.parent),
            self._files,
        )

    def _evaluate(self) -> None:
        """Evaluate all runs that were trained, and then one alone: a comparison without a rival must not be made up."""
        results, limits = self._stage.results, Limits(self._patience.evaluate_s)
        trained = [act.run_ids[0] for act in self._acts if act.phase is Phase.FULL and act.is_through]
        run_ids = tuple(run_id for run_id in self._run_ids if run_id in trained)
        if not run_ids:
            return
        together = commands.evaluate(results, run_ids, documented=True)
        orders = [_Order(Phase.EVALUATE, run_ids, tuple(together), limits, WHOLE)]
        if len(run_ids) > 1:
            first = next(((run_id,) for run_id in run_ids if "proposed" in run_id), run_ids[:1])
            self._alone.mkdir()
            alone = commands.evaluate(self._alone, first, documented=True)
            orders.append(_Order(Phase.ALONE, first, tuple(alone), limits, WHOLE))
        self._through(orders)
        self._evaluate_apart(run_ids, limits)

    def _evaluate_apart(self, run_ids: tuple[str, ...], limits: Limits) -> None:
        """Evaluate group by group where evaluate refused all runs together because they cannot be compared.

        Refusing runs on different data or under different budgets is right, and no crash, if each group is evaluated.
        """
        files = {run_id: self._files.get(path, b"") for run_id, path in self._submission.run_files.items()}
        apart = groups(files, run_ids)
        last = max(index for index, act in enumerate(self._acts) if act.phase is Phase.EVALUATE)
        crash = self._acts[last].crash
        if crash is None or crash.raised is None or not crash.raised.refused or len(apart) == 1:
            return
        before = len(self._acts)
        results = self._stage.results
        for group in apart:  # one after another: all of them write the same comparison
            command = tuple(commands.evaluate(results, group, documented=True))
            self._through([_Order(Phase.EVALUATE, group, command, limits, WHOLE)])
        if all(act.is_through for act in self._acts[before:]):
            said = f"refused, as it should: {crash.raised.root_message}"
            self._acts[last] = replace(self._acts[last], crash=None, excused=said)

    def _order(self, phase: Phase, run_id: str, command: Sequence[str], seconds: float) -> _Order:
        shrinking = WHOLE if phase is Phase.TRIAL else shrinking_of(self._leaves(run_id), FULL_STEPS)
        return _Order(phase, (run_id,), tuple(command), Limits(seconds), shrinking)

    def _leaves(self, run_id: str) -> list[tuple[tuple[str, ...], Any]]:
        found: list[tuple[tuple[str, ...], Any]] = []
        for path in ("config/config.yaml", self._submission.run_files.get(run_id, "")):
            try:
                content = yaml.safe_load(self._files.get(path, b""))
            except (yaml.YAMLError, ValueError, RecursionError):
                continue
            if isinstance(content, Mapping):
                found += leaves_of(content)
        return found

    # -- going on ------------------------------------------------------------------------------------------------

    def _through(self, orders: Sequence[_Order]) -> None:
        """Perform commands side by side; where one crashed for a cause that can be mended, mend it and go on."""
        # As many as run at once go before the others: what is wrong with all of them is found and mended there.
        at_once = self._patience.side_by_side
        for pending in ([*orders[:at_once]], [*orders[at_once:]]):
            doubted: list[int] = []  # the acts that are performed once more
            while pending:
                acts = self._side_by_side(pending)
                written = [as_written(a, self._stage.experiment, self._files, self._submission.files) for a in acts]
                self._settle(doubted, written)
                crashed = [i for i, act in enumerate(acts) if act.crash is not None]
                mended = self._mended(acts, crashed)
                if mended is None:
                    again = self._on_more_layers(acts, crashed)
                    doubted = [len(self._acts) + i for i in again]
                else:
                    index, found = mended
                    written[index] = replace(written[index], mended=found.said, rough=found.rough)
                    again, doubted = crashed, []
                self._acts += written
                pending = [pending[i] for i in again]

    def _on_more_layers(self, acts: Sequence[Act], crashed: Sequence[int]) -> list[int]:
        """Serve stand-ins of more layers where the experiment's own checks may have found too few; return which acts.

        This is done once; a crash that comes again was none of the stand-in's.
        """
        doubted = [index for index in crashed if _may_be_too_small(acts[index])]
        deep = self._deepen() if doubted and self._deepen is not None else None
        if deep is None:
            return []
        self._deepen, self._shallow, self._cast = None, self._cast, deep
        self._slower = _SLOWER
        self._stage.serve(deep.repositories)
        self._told(f"  a check of the experiment failed; once more with stand-ins of {LAYERS} layers")
        return doubted

    def _settle(self, doubted: Sequence[int], acts: Sequence[Act]) -> None:
        """Excuse crashes that more layers did away with; where there are none, the small stand-ins come back."""
        if not doubted:
            return
        # One that a limit ended came as far as that: the check, which had failed before, held.
        cured = [
            index for index, act in zip(doubted, acts, strict=True) if not _same(self._acts[index].crash, act.crash)
        ]
        for index in cured:
            crash = self._acts[index].crash
            assert crash is not None
            assert crash.raised is not None
            raised = crash.raised
            said = f"{raised.root_type}: {raised.root_message}; not so with a stand-in of {LAYERS} layers"
            self._acts[index] = replace(self._acts[index], crash=None, excused=said)
        if not cured:
            self._cast, self._slower = self._shallow, 1.0
            self._stage.serve(self._cast.repositories)

    def _side_by_side(self, orders: Sequence[_Order]) -> list[Act]:
        at_once = min(self._patience.side_by_side, len(orders))
        # As many threads for each as there are cores for it: more would wait for each other.
        threads = None if at_once == 1 else max(1, self._patience.side_by_side // at_once)
        pool = ThreadPoolExecutor(at_once)
        try:
            return list(pool.map(lambda order: self._act(order, threads), orders))
        except BaseException:
            # Above all Ctrl-C: leaving waits for the threads, and they for their commands.
            self._stage.cancel()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _act(self, order: _Order, threads: int | None) -> Act:
        limits = replace(order.limits, seconds=self._slower * order.limits.seconds)
        done = self._stage.perform(order.command, limits, order.shrinking, threads)
        act = act_of(order.phase, order.run_ids, done, order.shrinking)
        word = "exit 0" if act.is_through else f"stopped ({act.stopped})" if act.stopped else f"exit {act.status}"
        runs = ", ".join(act.run_ids) if len(act.run_ids) < 3 else f"{len(act.run_ids)} runs"
        self._told(f"{act.phase} {runs}: {word} after {act.seconds:.1f} s")
        return act

    def _mended(self, acts: Sequence[Act], crashed: Sequence[int]) -> tuple[int, Mended] | None:
        """Mend the cause of the first crash that can be mended; return which act's it was, and how."""
        for index in crashed:
            crash = acts[index].crash
            if crash is None or crash.raised is None or self._rounds >= _MOST_ROUNDS:
                continue
            found = mend(crash.raised, self._files)
            if found is not None:
                self._rounds += 1
                changed = {path: text for path, text in found.files.items() if self._files.get(path) != text}
                self._files |= changed
                self._stage.put(changed)
                place = f"{crash.raised.path}:{crash.raised.line}" if crash.raised.path else "a start"
                self._told(f"  {crash.raised.root_type} at {place}; scratch copy: {found.said}")
                return index, found
        return None


def _may_be_too_small(act: Act) -> bool:
    """Tell whether a command was ended by a check or an index of the experiment's own, as for the twelfth layer."""
    raised = act.crash.raised if act.crash is not None and act.phase in (Phase.TRIAL, Phase.FULL) else None
    if raised is None or not raised.path:
        return False
    checks = raised.code.lstrip().startswith(("assert ", "assert(", "raise "))
    return raised.root_type == "IndexError" or (checks and raised.root_type in ("AssertionError", "ValueError"))


def _same(one: Crash | None, other: Crash | None) -> bool:
    if one is None or other is None or one.raised is None or other.raised is None:
        return False
    return (one.raised.path, one.raised.line, one.raised.root_type) == (
        other.raised.path, other.raised.line, other.raised.root_type,
    )  # fmt: skip


def act_of(phase: Phase, run_ids: tuple[str, ...], done: Performed, shrinking: Shrinking) -> Act:
    """Return the act that a performed command was."""
    tail = _tail(done.log)
    # The first one in time: a parent only tells that its child has failed. Where the command reports success an
    # exception counts if it ended one of the experiment's own programs; libraries try things out in other processes.
    ended = done.seen.raised if done.ended.status else [raised for raised in done.seen.raised if raised.program]
    crash = None
    if done.ended.stopped is None and (done.ended.status or ended):
        crash = Crash(next(iter(ended), None), tail)
    return Act(
        phase,
        run_ids,
        done.command,
        done.ended.status,
        done.ended.seconds,
        done.ended.stopped,
        done.seen,
        crash,
        shrinking=shrinking,
        peak_memory_bytes=done.ended.peak_memory_bytes,
        tail=tail,
        deprecations=_deprecations(done.log),
    )


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")


def _deprecations(log: Path) -> tuple[str, ...]:
    """Return the lines of an output that say so, each once, as far as they stand in its first megabyte."""
    with log.open("rb") as file:
        text = file.read(_LARGEST_LOG).decode("utf-8", errors="replace")
    lines = (line.strip()[:500] for line in text.splitlines() if "deprecated" in line)
    return tuple(dict.fromkeys(lines))[:_MOST_LINES]
