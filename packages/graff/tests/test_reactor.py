import math

import pytest
import torch

from graff import GraffError
from graff.policy import Baseline, GaussianPolicy

SIZE = 7


def policy(sigma=0.3, seed=0):
    return GaussianPolicy(SIZE, sigma, torch.Generator().manual_seed(seed))


def test_the_surrogates_gradient_is_the_closed_form_score_of_a_gaussian():
    actor = policy().double()
    with torch.no_grad():
        actor.mean.weight.normal_()
    state = torch.randn(SIZE, dtype=torch.float64)
    action, advantage, bonus = 0.4, 1.7, 0.01
    actor.surrogate(state, action, advantage, bonus).backward()
    mu, sigma = float(actor.mu(state).detach()), float(actor.log_sigma.detach().exp())
    by_mu = -advantage * (action - mu) / sigma**2
    by_log_sigma = -advantage * ((action - mu) ** 2 / sigma**2 - 1) - bonus
    hidden = torch.tanh(actor.enter(state)).detach()
    assert float(actor.mean.bias.grad) == pytest.approx(by_mu)
    torch.testing.assert_close(actor.mean.weight.grad[0], by_mu * hidden)
    assert float(actor.log_sigma.grad) == pytest.approx(by_log_sigma)
    back = by_mu * actor.mean.weight.detach()[0] * (1 - hidden**2)
    torch.testing.assert_close(actor.enter.weight.grad, back[:, None] * state[None])


def test_the_surrogate_is_built_of_the_density_and_the_entropy_of_a_normal_distribution():
    actor = policy(sigma=0.4)
    state = torch.randn(SIZE)
    normal = torch.distributions.Normal(actor.mu(state), actor.log_sigma.exp())
    expected = -1.5 * normal.log_prob(torch.tensor(0.3)) - 0.2 * normal.entropy()
    torch.testing.assert_close(actor.surrogate(state, 0.3, 1.5, 0.2), expected)


def test_actions_are_drawn_from_the_policys_own_gaussian():
    actor = policy(sigma=0.5)
    with torch.no_grad():
        actor.mean.bias.fill_(0.2)
    drawn = torch.tensor([actor.act(torch.zeros(SIZE)) for _ in range(4000)])
    assert float(drawn.mean()) == pytest.approx(0.2, abs=4 * 0.5 / math.sqrt(4000))
    assert float(drawn.std()) == pytest.approx(0.5, rel=0.05)


def test_on_a_bandit_the_policy_learns_to_draw_what_is_rewarded_in_each_state():
    actor, baseline = policy(sigma=0.3), Baseline(0.9)
    optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)
    states = [torch.ones(SIZE), -torch.ones(SIZE)]
    best = [0.5, -0.5]

    def chance(index):
        """Probability of an action on the rewarded side."""
        mu, sigma = float(actor.mu(states[index]).detach()), float(actor.log_sigma.detach().exp())
        above = 0.5 * math.erfc(-mu / (sigma * math.sqrt(2)))
        return above if best[index] > 0 else 1 - above

    assert [chance(0), chance(1)] == [0.5, 0.5]
    for step in range(600):
        index = step % 2
        action = actor.act(states[index])
        advantage = baseline.advantage(-((action - best[index]) ** 2))
        optimizer.zero_grad()
        actor.surrogate(states[index], action, advantage, 0.0).backward()
        optimizer.step()
    assert min(chance(0), chance(1)) > 0.85


def test_the_entropy_bonus_keeps_the_policy_wide():
    def sigma(bonus):
        actor = policy(sigma=0.3)
        optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)
        for _ in range(100):
            action = actor.act(torch.zeros(SIZE))
            optimizer.zero_grad()
            actor.surrogate(torch.zeros(SIZE), action, -(action**2), bonus).backward()
            optimizer.step()
        return float(actor.log_sigma.detach().exp())

    assert sigma(0.5) > 1.3 * sigma(0.0)


def test_the_baseline_is_an_average_of_earlier_rewards_and_the_first_has_no_advantage():
    baseline = Baseline(0.99)
    assert baseline.advantage(5.0) == 0.0
    assert baseline.advantage(7.0) == pytest.approx(2.0)
    assert baseline.advantage(0.0) == pytest.approx(-(0.99 * 5.0 + 7.0) / 1.99)


def test_the_reward_is_the_loss_decrease_per_second_between_two_batches(new_run, clock):
    run = new_run("reactor", clock)
    first, second = run.advance(2)
    assert second.metrics["reward"] == pytest.approx((first.loss - second.loss) / 0.125)
    assert "reward" not in first.metrics


def test_the_rate_is_multiplied_by_the_exponential_of_each_action_and_stays_in_its_bound(new_run, clock):
    run = new_run("reactor", clock, initial_sigma=2.0, rate_bound=5.0)
    factor = 0.0
    for report in run.advance(30):
        factor = max(-math.log(5.0), min(math.log(5.0), factor + report.metrics["action"]))
        assert report.learning_rates[0] == pytest.approx(3e-3 * math.exp(factor))
    assert max(abs(r.metrics["log_factor"]) for r in run.reports) == pytest.approx(math.log(5.0))


def test_another_seed_draws_other_actions(new_run, clock):
    actions = [[r.metrics["action"] for r in new_run("reactor", clock, seed=s).advance(3)] for s in (0, 0, 1)]
    assert actions[0] == actions[1] != actions[2]


@pytest.mark.parametrize(
    ("option", "value"),
    [("controller_lr", 0.0), ("baseline_decay", 1.0), ("entropy_bonus", -0.1), ("initial_sigma", 0.0)],
)
def test_an_option_out_of_its_range_is_one_line(option, value, new_run, clock):
    with pytest.raises(GraffError, match=f"^{option} of {value}: it is "):
        new_run("reactor", clock, **{option: value})
