"""How the head that weighs tokens learns: derivatives, probes, states, two ranks."""

import math

import pytest
import torch
from torch import nn

import graff
from graff.planners import Planner
from graff.tokens import loss_derivatives
from packages.graff.tests.ranks import in_two_ranks
from packages.graff.tests.small_decoders import ALL, RESUMED, VOCABULARY, Run, Small, losses_of, same


def test_the_derivative_of_every_tokens_loss_is_that_of_autograd_and_the_weights_come_back():
    model = Small().double()
    tensors = [p for p in model.parameters() if p.requires_grad]
    ids = torch.randint(VOCABULARY, (2, 5))
    steps = [torch.randn_like(t) for t in tensors]
    before = [t.detach().clone() for t in tensors]
    told = loss_derivatives(lambda: losses_of(model, ids), tensors, steps, reach=1e-4)
    assert same(before, tensors)
    for loss, along in zip(losses_of(model, ids).flatten(), told, strict=True):
        gradients = torch.autograd.grad(loss, tensors, retain_graph=True)
        expected = sum((g * s).sum() for g, s in zip(gradients, steps, strict=True))
        assert float(along) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_derivative_by_the_token_head_is_that_of_the_next_loss(clock, optimizer, averaging):
    """Two real steps; the first one's token multipliers are perturbed, against central differences, to 1e-2.

    It includes multipliers of blocks. The rates are small, because the gradients of the tokens are read one step later
    than they acted, and Adam's second moment is an old one, because it is taken as given.
    """

    def run(by):
        rate, kind = (1e-5, torch.optim.AdamW) if optimizer == "adamw" else (1e-4, torch.optim.SGD)
        own = {"block_multipliers": True, "averaging": averaging, "seek": False, "probe_share": 0.9}
        one = Run(clock, optimizer=kind, lr=rate, warmup_fraction=0.0, token_multipliers=True, **own)
        # The perturbed gradient must not change rate and multipliers of its own step.
        residual = one.planner._residual
        residual.learn = lambda *_: None
        residual.decoder.log_multipliers = lambda state: torch.tensor([0.3, -0.3], dtype=torch.float64)
        one.planner._max_grad_norm = None  # clipping is taken as given, too
        one.advance(4, "mean")
        for state in one.optimizer.state.values():
            if optimizer == "adamw":
                state["exp_avg_sq"].copy_(torch.rand(state["exp_avg_sq"].shape, generator=one.data) + 0.1)
                state["step"].fill_(50_000)
        for group in one.optimizer.param_groups:
            if optimizer == "adamw":
                group["betas"] = (group["betas"][0], 0.99999)
        slope, direction = residual.token_slope()
        residual.token_slope = lambda: (slope + 0.8 + by, direction)
        one.planner._tokens._turn = True
        one.advance(1)
        residual.token_slope = lambda: (0.0, direction)  # the next gradient has to be that of the loss reported
        return one.advance(1)[-1]

    report = run(0.0)
    assert report.metrics["token_probe_failures"] == 0
    numeric = (run(1e-3).loss - run(-1e-3).loss) / 2e-3
    assert report.metrics["token_hypergradient"] == pytest.approx(numeric, rel=1e-2)


def test_the_head_learns_by_the_derivative_of_its_slope(clock):
    run = Run(clock, token_multipliers=True, seek=False, probe_share=0.9)
    run.advance(4)
    run.planner._tokens._turn = True
    _, direction = run.planner._residual.token_slope()
    run.advance(1)
    assert not run.planner._residual.decoder.token_weight.any()
    by_slope = run.advance(1)[-1].metrics["token_hypergradient"]
    residual = run.planner._residual
    told = residual._heads["token_weight"].state[residual.decoder.token_weight]["exp_avg"] / (1 - 0.9)
    torch.testing.assert_close(told, direction / direction.norm() * math.copysign(1.0, by_slope))
    moved = run.planner._residual.decoder.token_weight.detach()
    assert float(moved @ direction) * by_slope < 0


def test_a_clipped_batch_has_its_share_of_the_gradient(clock):
    run = Run(clock, token_multipliers=True, seek=False, probe_share=0.9)
    run.planner._max_grad_norm = 0.01
    run.advance(4)
    run.planner._tokens._turn = True
    metrics = run.advance(1)[-1].metrics
    share = 0.01 / metrics["grad_norm"] / metrics["tokens"]
    assert run.planner._tokens._waiting.share == pytest.approx(share, rel=1e-3)


def test_affordable_probes_alternate_and_stay_within_their_share(clock):
    run = Run(clock, token_multipliers=True, seek=False, probe_share=0.05)
    last = run.advance(120)[-1].metrics
    assert last["token_probes"] > 5
    assert abs(last["probes"] - 2 * last["token_probes"]) <= 1
    assert last["probe_s"] <= 0.05 * run.budget.elapsed_s
    assert last["token_probe_failures"] == last["probe_failures"] == 0
    assert run.planner._residual.decoder.token_weight.any()
    frozen = Run(clock, token_multipliers=True, seek=False, probe_share=0.05, learn=False)
    assert frozen.advance(40)[-1].metrics["token_probes"] == 0


@pytest.mark.parametrize("kind", ["fails", "too many", "mean"])
def test_a_probe_that_tells_nothing_leaves_the_head_and_the_weights_alone(clock, kind):
    run, other = (Run(clock, token_multipliers=True, seek=False, probe_share=0.5) for _ in range(2))
    last = run.advance(25, kind)[-1].metrics
    assert last["token_probe_failures"] == last["token_probes"] > 0
    assert not run.planner._residual.decoder.token_weight.any()
    assert (last["token_probes"] == 1) == (kind == "mean")  # a mean never tells anything
    other.planner._tokens._means_alone = True
    other.advance(25, kind)
    if kind == "fails":
        assert same(run.weights(), other.weights())


def test_a_loop_that_never_weighs_is_told_so(clock):
    run = Run(clock, token_multipliers=True)
    assert type(run.planner).weigh is Planner.weigh  # which loops of other libraries ask for
    losses = losses_of(run.model, run.batch()[0])
    losses.mean().backward()
    run.planner.note(losses.detach().sum(), losses.numel())
    with pytest.raises(graff.GraffError, match=r"^token_multipliers in a loop that does not call weigh: "):
        run.planner.step()
    run = Run(clock, entropy=True)
    losses = losses_of(run.model, run.batch()[0])
    losses.mean().backward()
    run.planner.note(losses.detach().sum(), losses.numel())
    assert not run.planner.step().skipped


def test_the_callers_random_numbers_are_not_touched(clock):
    run = Run(clock, **ALL, seek=False, probe_share=0.5)
    torch.manual_seed(9)
    run.advance(12)
    drawn = torch.rand(1)
    torch.manual_seed(9)
    assert torch.equal(drawn, torch.rand(1))
    assert run.reports[-1].metrics["token_probes"] > 1


@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("after", range(8, 13))
def test_a_resumed_run_with_all_heads_follows_bit_for_bit(clock, tmp_path, averaging, after):
    unbroken = Run(clock, averaging=averaging, **RESUMED)
    unbroken.advance(after)
    torch.save(unbroken.state(), tmp_path / "state.pt")
    end = unbroken.advance(20)[after:]
    clock.pass_by(1000)
    resumed = Run(clock, averaging=averaging, **RESUMED)
    torch.rand(5)
    resumed.load(torch.load(tmp_path / "state.pt", weights_only=True))
    again = resumed.advance(20)
    assert same(unbroken.weights(), resumed.weights())
    assert [r.metrics for r in end] == [r.metrics for r in again]
    assert end[-1].metrics["token_slope"] != 0
    assert end[-1].metrics["token_probe_failures"] < end[-1].metrics["token_probes"]


def test_an_option_out_of_its_range_is_one_line(clock):
    with pytest.raises(graff.GraffError, match=r"^entropy_positions of 0: it is "):
        Run(clock, entropy=True, entropy_positions=0)


def _train_both(rank):
    return [_train(rank, averaging) for averaging in (True, False)]


def _train(rank, averaging):
    now = [100.0 * rank]
    model = Small()
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    budget = graff.Budget(seconds=5, clock=lambda: now[0])
    planner = graff.Graff(optimizer, parallel, budget, averaging=averaging, probe_share=0.3, seek=False, **ALL)
    data, hypergradients = torch.Generator().manual_seed(rank), []
    for step in range(30):
        ids = torch.randint(VOCABULARY, (3 + rank, 6), generator=data)
        losses = losses_of(parallel, ids)
        planner.weigh(losses, of=35 / 2).backward()
        now[0] += 0.125 if rank == 0 else 0.375
        report = planner.step(lambda ids=ids: losses_of(model, ids[:2]))
        hypergradients.append(report.metrics.get("token_hypergradient"))
        if rank == 0 and step == 20:
            planner.state_dict()  # a checkpoint is written by one rank
    keys = ("token_slope", "token_probes", "token_probe_failures", "block_multiplier_max", "log_residual")
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    return {key: report.metrics[key] for key in keys}, weights, hypergradients


def test_two_ranks_learn_the_same_heads():
    first, second = in_two_ranks(_train_both)
    assert first == second
    for metrics, _, hypergradients in first:
        assert metrics["token_probes"] > metrics["token_probe_failures"]
        assert metrics["token_slope"] != 0
        assert metrics["block_multiplier_max"] > 1
        assert any(hypergradients)
