"""The conformance suite: one row per planner, every row the same promises."""

import inspect
import typing

import pytest
import torch
from torch import nn

import graff
from graff import GraffError, planners

ROWS = {
    "fixed": {"warmup_fraction": 0.1},
    "cosine": {},
    "linear": {},
    "graff": {"outer_lr": 2e-3, "probe_share": 0.05},
    "reactor": {"controller_lr": 1e-2},
    "one_minus_sqrt": {"cooldown_fraction": 0.3},
    "wsd": {"warmup_fraction": 0.1},
    "rex": {},
    "hypergradient": {"hyper_lr": 0.1},
    "salelr": {"sigma": 0.1, "probe_share": 0.05},
    "bats": {"weighting": "dft"},
    "schedule_free": {},
    "prodigy": {"d_coef": 1.5},
}

# These bring the optimizer of another package, made from the caller's AdamW.
BRINGS_ITS_OPTIMIZER = {"schedule_free", "prodigy"}
# Its package has one estimated rate for all groups, which it finds from a millionth in a dozen steps.
FINDS_ITS_RATE = {"prodigy"}


@pytest.fixture(params=ROWS)
def row(request):
    return request.param, ROWS[request.param]


def test_every_planner_has_a_row():
    assert tuple(sorted(ROWS)) == planners.names()


def test_every_option_is_annotated_and_has_a_default(row):
    name, chosen = row
    options = planners.options(name)
    assert set(chosen) <= set(options)
    for parameter in options.values():
        assert parameter.annotation is not inspect.Parameter.empty
        assert parameter.default is not inspect.Parameter.empty
    assert set(typing.get_type_hints(planners.planner_class(name).__init__)) >= set(options)


def test_an_unknown_option_is_one_line_that_names_the_known_ones(row, new_run, clock):
    name, _ = row
    with pytest.raises(GraffError, match=f"^option 'eta' of the planner '{name}': its options are .*; remove it$"):
        new_run(name, clock, eta=1)


def test_it_trains_and_sets_every_groups_rate_in_proportion(row, new_run, clock):
    name, options = row
    steps = 90 if name in FINDS_ITS_RATE else 30
    run = new_run(name, clock, seconds=steps / 6, lr=1e-2, **options)
    reports = run.advance(steps)
    assert sum(r.loss for r in reports[-5:]) < 0.9 * sum(r.loss for r in reports[:5])
    for report in reports:
        assert not report.skipped
        first, second = report.learning_rates
        assert first == pytest.approx(second if name in FINDS_ITS_RATE else 2 * second)
        assert report.learning_rate == pytest.approx((first + second) / 2)
        assert all(isinstance(value, float) for value in report.metrics.values())
    assert [r.step for r in reports] == list(range(steps))
    assert run.budget.steps == steps


def test_it_stops_before_the_deadline(row, new_run, clock):
    name, options = row
    run = new_run(name, clock, **options)
    run.budget.reserve(0.5)
    while not run.budget.spent:
        run.advance(1)
    assert 4.2 <= run.budget.elapsed_s <= 4.5


def test_a_resumed_run_follows_the_same_trajectory_bit_for_bit(row, new_run, clock, tmp_path):
    name, options = row
    unbroken = new_run(name, clock, **options)
    unbroken.advance(12)
    path = tmp_path / "state.pt"
    torch.save(unbroken.state(), path)
    end = unbroken.advance(15)[12:]

    clock.pass_by(1000)
    resumed = new_run(name, clock, **options)
    torch.rand(5)
    resumed.load(torch.load(path, weights_only=True))
    again = resumed.advance(15)
    assert new_run.same(unbroken.weights(), resumed.weights())
    assert [r.learning_rates for r in end] == [r.learning_rates for r in again]
    assert [r.metrics for r in end] == [r.metrics for r in again]


def test_a_state_of_another_planner_is_refused(row, new_run, clock):
    name, options = row
    state = new_run(name, clock, **options).planner.state_dict()
    other = new_run("linear" if name != "linear" else "fixed", clock)
    with pytest.raises(GraffError, match=f"^state of the planner '{name}'"):
        other.planner.load_state_dict(state)


@pytest.mark.parametrize("poison", ["loss", "gradient", "empty"])
def test_a_bad_batch_is_skipped_counted_and_harms_nothing(row, new_run, clock, poison):
    name, options = row
    run = new_run(name, clock, **options)
    run.advance(6)
    before, rates = run.weights(), [g["lr"] for g in run.optimizer.param_groups]
    batch = run.batch()
    losses = run.token_losses(batch)
    if poison == "loss":
        run.planner.weigh(losses * float("nan")).backward()
    elif poison == "empty":
        run.planner.weigh(losses, torch.zeros_like(losses, dtype=torch.bool)).backward()
    else:
        run.planner.weigh(losses).backward()
        next(run.model.parameters()).grad[0, 0] = float("inf")
    clock.pass_by(0.1)
    report = run.planner.step()
    reason = {"loss": "non-finite loss", "gradient": "non-finite gradient", "empty": "empty batch"}[poison]
    assert report.skipped
    assert report.reason.startswith(reason)
    assert report.learning_rate == 0
    assert report.metrics["skipped_steps"] == 1
    assert run.planner.skipped == {reason: 1}
    assert new_run.same(before, run.weights())
    assert rates == [g["lr"] for g in run.optimizer.param_groups]
    assert all(p.grad is None for p in run.model.parameters())
    assert run.budget.steps == 7
    after = run.advance(10)[-1]
    assert not after.skipped
    assert torch.isfinite(torch.cat([w.flatten() for w in run.weights()])).all()


def test_micro_batches_add_up_to_the_token_mean_of_the_whole_batch(row, new_run, clock):
    name, options = row
    torch.manual_seed(4)
    x, mask = torch.randn(8, 5, 6), torch.rand(8, 5) < 0.4

    def train(parts):
        run = new_run(name, clock, **options)
        for _ in range(3):
            for part in torch.arange(8).split(8 // parts):
                losses = (run.model(x[part]) - x[part][..., :3]).square().mean(-1)
                run.planner.weigh(losses, mask[part], of=float(mask.sum())).backward()
            clock.pass_by(0.1)
            report = run.planner.step()
        return run, report

    whole, one = train(1)
    split, four = train(4)
    assert four.loss == pytest.approx(one.loss, rel=1e-5)
    assert four.metrics["tokens"] == float(mask.sum())
    for a, b in zip(whole.weights(), split.weights(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_weighed_loss_is_the_mean_over_counted_tokens(row, new_run, clock):
    planner = new_run(row[0], clock, **row[1]).planner
    losses = torch.tensor([[1.0, 2.0, float("nan")], [4.0, float("inf"), 9.0]], requires_grad=True)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    loss = planner.weigh(losses, mask)
    loss.backward()
    assert loss.item() == pytest.approx(7 / 3)
    torch.testing.assert_close(losses.grad, mask / 3.0)
    assert planner.weigh(losses.detach().bfloat16(), mask).dtype == torch.float32


def test_losses_of_the_counted_tokens_alone_weigh_as_all_of_them_with_a_mask(row, new_run, clock):
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    losses = torch.tensor([[1.0, 2.0, 5.0], [4.0, 7.0, 9.0]])
    whole, chosen = (new_run(row[0], clock, **row[1]).planner for _ in range(2))
    assert chosen.weigh(losses[mask.bool()], mask).item() == whole.weigh(losses, mask).item()
    with pytest.raises(graff.GraffError, match=r"^mask of shape \(2, 3\) beside losses of shape \(2, 2\)"):
        chosen.weigh(losses[:, :2], mask)


def test_overhead_counts_planning_and_probes_and_not_the_optimizers_own_step(row, new_run, clock):
    name, options = row
    run = new_run(name, clock, **options)
    own = run.optimizer.step

    def slow():
        clock.pass_by(0.01)
        return own()

    run.optimizer.step = slow
    run.advance(20)
    probes = run.reports[-1].metrics.get("probe_s", 0.0)
    assert run.planner.overhead_s == pytest.approx(probes)
    if name in {"graff", "salelr"}:
        assert 0 < probes <= options["probe_share"] * run.budget.elapsed_s
    assert run.reports[-1].metrics["overhead_s"] == run.planner.overhead_s


def test_it_works_with_sgd_without_a_model(row, clock):
    name, options = row
    weight = nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([weight], lr=0.05, momentum=0.5)
    budget = graff.Budget(seconds=10, clock=clock)
    if name in BRINGS_ITS_OPTIMIZER:
        with pytest.raises(GraffError, match=f"^optimizer SGD: {name} takes its parameters and values from AdamW; "):
            planners.make(name, optimizer=optimizer, model=None, budget=budget, **options)
        return
    planner = planners.make(name, optimizer=optimizer, model=None, budget=budget, **options)
    for _ in range(50):
        planner.weigh(weight.square()).backward()
        clock.pass_by(0.1)
        planner.step(lambda: weight.square().mean())
    assert float(weight.detach().abs().max()) < 0.5


def test_the_global_random_numbers_are_not_touched(row, new_run, clock):
    name, options = row
    run = new_run(name, clock, **options)
    torch.manual_seed(9)
    run.advance(8)
    drawn = torch.rand(1)
    torch.manual_seed(9)
    assert torch.equal(drawn, torch.rand(1))
