import math

import numpy as np
import pytest
import torch
from torch import nn

import graff
from graff import GraffError


class Linear:
    """Tokens whose losses are ``exp(a_tau . w)``: loss and gradient of every token are known in closed form."""

    def __init__(self, clock, **options):
        self.clock = clock
        self.weight = nn.Parameter(torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1)
        self.planner = graff.Bats(self.optimizer, None, graff.Budget(seconds=10, clock=clock), **options)
        self.features = torch.randn(5, 4, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        self.masks = torch.rand(5, 4, 6, generator=torch.Generator().manual_seed(1)) < 0.7

    def step(self, index, parts=1):
        """Make a step and return the gradient it was made with, and its report."""
        x, mask = self.features[index], self.masks[index]
        for rows in torch.arange(4).split(4 // parts):
            losses = torch.where(mask[rows], (x[rows] @ self.weight).exp(), math.nan)
            self.planner.weigh(losses, mask[rows], of=float(mask.sum())).backward()
        self.clock.pass_by(0.5)
        before = self.weight.detach().clone()
        report = self.planner.step()
        return (before - self.weight.detach()) / report.learning_rate, report


def token_losses(run, index):
    x, mask = run.features[index].numpy(), run.masks[index].numpy()
    losses = np.exp(x @ run.weight.detach().numpy())
    return losses[mask], (losses[..., None] * x)[mask]


def weights_by_numpy(weighting, keep, before, now):
    if weighting == "dft":
        raw = np.exp(-now)
    else:
        kept = math.ceil(keep * len(before))
        raw = (now >= np.sort(before)[::-1][kept - 1]).astype(float)
    return raw / raw.mean()


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize(("weighting", "keep"), [("dft", 0.6), ("rho", 0.6), ("rho", 0.3)])
def test_the_gradient_is_that_of_weights_of_mean_one_from_the_step_before(weighting, keep, parts, clock):
    run = Linear(clock, weighting=weighting, keep=keep)
    before = None
    for index in range(5):
        losses, gradients = token_losses(run, index)
        weights = np.ones_like(losses) if before is None else weights_by_numpy(weighting, keep, before, losses)
        assert weights.mean() == pytest.approx(1.0)
        assert before is None or weights.std() > 0.1
        got, report = run.step(index, parts)
        np.testing.assert_allclose(got.numpy(), (weights[:, None] * gradients).mean(0), rtol=1e-9)
        # What is reported is the plain mean, whatever the weights.
        assert report.loss == pytest.approx(losses.mean(), rel=1e-12)
        before = losses


def test_the_loss_to_differentiate_has_the_value_of_the_plain_mean(clock):
    run = Linear(clock)
    run.step(0)
    losses = torch.tensor([0.5, 1.0, math.nan, math.inf, 2.0], requires_grad=True)
    mask = torch.tensor([1, 1, 0, 0, 1])
    loss = run.planner.weigh(losses, mask)
    loss.backward()
    assert loss.item() == pytest.approx(3.5 / 3)
    given = losses.grad
    assert given[2] == given[3] == 0
    # Weighted by the probability of the token: exp(-loss), up to one factor.
    expected = torch.exp(-torch.tensor([0.5, 1.0, 2.0]))
    torch.testing.assert_close(given[mask.bool()] / given[0], expected / expected[0])


def test_weights_leave_weigh_near_one_and_the_rest_is_logged(clock):
    run = Linear(clock)
    for index in range(5):
        metrics = run.step(index)[1].metrics
        assert 0.5 < metrics["token_weight_before_correction"] < 2.0
    losses = token_losses(run, 4)[0]
    assert run.step(4)[1].metrics["token_raw_weight"] == pytest.approx(np.exp(-losses).mean())


def test_the_rate_is_the_time_linear_one(new_run, clock):
    own = [r.learning_rates for r in new_run("bats", clock).advance(39)]
    assert own == [r.learning_rates for r in new_run("linear", clock).advance(39)]


def test_a_skipped_step_leaves_the_statistics_of_the_last_good_one(clock):
    run = Linear(clock)
    run.step(0)
    known = run.planner.state_dict()["statistics"]
    run.planner.weigh(run.weight * math.nan).backward()
    assert run.planner.step().skipped
    assert run.planner.state_dict()["statistics"] == known
    losses, gradients = token_losses(run, 1)
    got, _ = run.step(1)
    weights = weights_by_numpy("dft", 0.6, None, losses)
    np.testing.assert_allclose(got.numpy(), (weights[:, None] * gradients).mean(0), rtol=1e-9)


def test_a_batch_whose_weights_are_all_zero_is_followed_by_equal_weights(clock):
    weight = nn.Parameter(torch.tensor([1.0]))
    planner = graff.Bats(torch.optim.SGD([weight], lr=0.1), None, graff.Budget(seconds=10, clock=clock))
    planner.weigh(weight.expand(4) * 1e4).backward()  # exp(-1e4) is 0
    assert planner.step().metrics["token_raw_weight"] == 0
    assert planner.state_dict()["statistics"] is None
    planner.weigh(weight * torch.tensor([1.0, 2.0, 3.0, 6.0])).backward()
    assert float(weight.grad) == 3.0


def test_a_loop_that_only_notes_its_losses_trains_as_with_linear(clock):
    weight = nn.Parameter(torch.tensor([1.0]))
    planner = graff.Bats(torch.optim.SGD([weight], lr=0.1), None, graff.Budget(seconds=10, clock=clock))
    for _ in range(3):
        loss = weight.square().sum()
        planner.note(loss, 1)
        loss.backward()
        clock.pass_by(0.5)
        report = planner.step()
    assert not report.skipped
    assert report.metrics["token_weight_before_correction"] == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weighting": "eaft"}, r"^weighting of 'eaft': it is 'dft' or 'rho'; choose one$"),
        ({"keep": 0.0}, r"^keep of 0.0: it is a share of the tokens in \(0, 1\]; use 0.6$"),
        ({"keep": 1.5}, r"^keep of 1.5"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options, message, new_run, clock):
    with pytest.raises(GraffError, match=message):
        new_run("bats", clock, **options)
