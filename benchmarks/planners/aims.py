"""The aims of the bake-off as figures: robustness, the tuned rate, cost, and the untuned default."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.planners.board import Board
from benchmarks.planners.choosing import best_rate, window, worst_in
from benchmarks.planners.evidence import Duel, Estimate, difference, duels
from greenlight.compare.findings import ALPHA
from greenlight.compare.seeds import LEAST_SEEDS

ROBUST_SHARE = 0.02  # points of exact match, or of what training gains: the untrained model's loss less the rival's
TUNED_RIVALS = ("linear", "schedule_free")
OVERHEAD_PERCENT = {"qwen3_overhead": 2.0}
OVERHEAD_ELSEWHERE_PERCENT = 5.0
MEMORY_PERCENT = 3.0


@dataclass(frozen=True)
class Aim:
    """One aim: its sentences, whether it was reached (None where it cannot be judged), and its paired tests."""

    title: str
    lines: tuple[str, ...]
    reached: bool | None
    duels: tuple[Duel, ...] = ()

    def __str__(self) -> str:
        verdict = {True: "reached", False: "NOT reached", None: "cannot be judged"}[self.reached]
        return "\n".join([f"{self.title}: {verdict}", *(f"  {line}" for line in self.lines)])


def aims(board: Board, reference: str, default_rate: float) -> tuple[Aim, ...]:
    """Return the four aims for one method of a board.

    Parameters
    ----------
    board
        The cells of one task.
    reference
        Label of the method whose aims these are. Other labels of the same planner are its ablations, not rivals.
    default_rate
        The untuned rate.
    """
    planner = next((method.planner for method in board.methods if method.label == reference), None)
    if planner is None:
        return (Aim("aims", (f"method {reference} is not in the grid",), None),)
    rivals = [method.label for method in board.methods if method.planner != planner]
    cost = _cost(board, reference)
    if not rivals or not board.scored:
        return (cost,)
    return (
        _robust(board, reference, rivals),
        _tuned(board, reference, rivals),
        cost,
        _untuned(board, reference, rivals, default_rate),
    )


def _robust(board: Board, reference: str, rivals: Sequence[str]) -> Aim:
    # The best tuned rival is chosen on development questions, like its rate.
    tuned = {label: best_rate(board, label) for label in rivals}
    measure = board.measure
    best = max(
        rivals,
        key=lambda label: (
            measure.sign * board.dev_score(label, tuned[label]), -board.dev_loss(label, tuned[label])
        ),
    )  # fmt: skip
    rates = window(board, tuned[best])
    rate, worst = worst_in(board, reference, rates)
    gap = difference(board, (reference, rate), (best, tuned[best]))
    allowed = ROBUST_SHARE
    if measure.kind == "loss":
        allowed *= board.started - board.dev_loss(best, tuned[best])
    bound = f"at least -{100 * allowed:g}" if measure.sign > 0 else f"at most {measure.signed(allowed)}"
    lines = [
        f"rates {_listed(rates)}, which lie from 1/30 to 3 times {tuned[best]:g}, the best of {best}",
        f"worst of {reference}: {measure.told(worst)} at {rate:g}; {best} tuned: "
        f"{measure.told(float(board.test_score(best, tuned[best]).mean()))}; difference {_gap(board, gap)}, "
        f"aim {bound}",
    ]
    if measure.kind == "loss":
        lines.append(
            f"the aim's margin is {100 * ROBUST_SHARE:g} % of what training gains: {board.started:.4f} on development "
            f"questions untrained, {board.dev_loss(best, tuned[best]):.4f} with {best} tuned"
        )
    covered = rates[0] <= tuned[best] / 30 * 1.12 and rates[-1] >= tuned[best] * 3 / 1.12
    if not covered:
        lines.append(f"the grid does not reach from {tuned[best] / 30:.2g} to {3 * tuned[best]:.2g}: add rates")
    for label in rivals:
        at, value = worst_in(board, label, rates)
        own = float(board.test_score(label, tuned[label]).mean())
        lines.append(
            f"worst of {label}: {measure.told(value)} at {at:g}, {measure.signed(value - own)} "
            f"{measure.difference_unit} from its best"
        )
    return Aim("aim 1, robustness", tuple(lines), measure.sign * gap.value >= -allowed if covered else None)


def _tuned(board: Board, reference: str, rivals: Sequence[str]) -> Aim:
    present = [label for label in TUNED_RIVALS if label in rivals]
    if not present:
        return Aim("aim 2, tuned", (f"needs {' or '.join(TUNED_RIVALS)} in the grid",), None)
    fought = duels(
        board, (reference, best_rate(board, reference)), [(label, best_rate(board, label)) for label in present]
    )
    lines = [_told(board, duel) for duel in fought]
    lines += [f"{label} is not in the grid" for label in TUNED_RIVALS if label not in present]
    worse = "below" if board.measure.sign > 0 else "above"
    lines.append(f"not worse: no difference {worse} zero with p after Holm below 0.05")
    sign = -board.measure.sign
    reached = None if len(board.seeds) < LEAST_SEEDS else not any(_significant(duel, sign) for duel in fought)
    return Aim("aim 2, tuned", tuple(lines), reached, fought)


def _cost(board: Board, reference: str) -> Aim:
    ours = board.all_of(reference)
    overheads = [100 * outcome.overhead for outcome in ours if outcome.overhead is not None]
    bound = OVERHEAD_PERCENT.get(board.grid.task.name, OVERHEAD_ELSEWHERE_PERCENT)
    if not overheads:
        return Aim("aim 3, cost", ("no run has a measured time",), None)
    overhead = float(np.median(overheads))
    judged = [overhead <= bound]
    lines = [f"planner overhead of {reference}, probes included: median {overhead:.2f} % of the training time (largest "
             f"{max(overheads):.2f} %), aim at most {bound:g} %"]  # fmt: skip
    if board.grid.clock == "steps":
        lines.append("the steps clock knows of probes alone: measure cost with --clock wall")
        judged = []
    ratio = memory_ratio(board, reference, "linear")
    if ratio is None:
        lines.append("peak memory: needs linear in the grid and a system that tells")
    else:
        lines.append(
            f"peak memory ({ours[0].memory_kind}) over linear's: {ratio:.3f}, aim at most {1 + MEMORY_PERCENT / 100:g}"
        )
        judged.append(ratio <= 1 + MEMORY_PERCENT / 100)
    complete = ratio is not None and board.grid.clock != "steps"
    return Aim("aim 3, cost", tuple(lines), all(judged) if complete else None)


def memory_ratio(board: Board, label: str, base: str) -> float | None:
    """Return the median peak memory of a method over another's, or None where one is not known.

    Cells that ran alone hold the library that reads energy counters as well (measured: 100 MiB), so that cells are
    compared with their like; the kind that both have more of decides.
    """
    if base not in {method.label for method in board.methods}:
        return None
    kinds = [[_peaks(board, name, alone=alone) for name in (label, base)] for alone in (True, False)]
    ours, theirs = max(kinds, key=lambda peaks: min(map(len, peaks)))
    return float(np.median(ours) / np.median(theirs)) if ours and theirs else None


def _peaks(board: Board, label: str, *, alone: bool) -> list[float]:
    return [
        outcome.peak_memory_mb
        for outcome in board.all_of(label)
        if outcome.peak_memory_mb is not None and bool(outcome.machine.get("alone")) is alone
    ]


def _untuned(board: Board, reference: str, rivals: Sequence[str], default_rate: float) -> Aim:
    title = f"aim 4, at the untuned rate {default_rate:g}"
    if default_rate not in board.rates:
        return Aim(title, (f"{default_rate:g} is not among the rates of the grid: add it",), None)
    fought = duels(board, (reference, default_rate), [(label, default_rate) for label in rivals])
    lines = [_told(board, duel) for duel in fought]
    won = sum(_significant(duel, board.measure.sign) for duel in fought)
    lines.append(f"better than {won} of {len(fought)} with p after Holm below 0.05")
    return Aim(title, tuple(lines), None if len(board.seeds) < LEAST_SEEDS else won == len(fought), fought)


def _significant(duel: Duel, sign: int) -> bool:
    # With enough seeds there is no p-value only where the difference is the same for every seed.
    p_holm = 0.0 if duel.t_test.p_holm is None else duel.t_test.p_holm
    return sign * duel.difference.value > 0 and p_holm < ALPHA


def _told(board: Board, duel: Duel) -> str:
    against = f"{duel.first} at {duel.first_rate:g} against {duel.second} at {duel.second_rate:g}"
    tests = []
    for name, finding in (("t", duel.t_test), ("Wilcoxon", duel.signed_rank)):
        if finding.p_holm is None:
            tests.append(f"{name} not applicable: {finding.not_applicable}")
        else:
            tests.append(f"{name} p {finding.p_value:.2g}, Holm {finding.p_holm:.2g}")
    return f"{against}: {_gap(board, duel.difference)}; over {duel.t_test.n} seeds {'; '.join(tests)}"


def _gap(board: Board, estimate: Estimate) -> str:
    signed, unit = board.measure.signed, board.measure.difference_unit
    return f"{signed(estimate.value)} {unit} [{signed(estimate.low)}, {signed(estimate.high)}]"


def _listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)
