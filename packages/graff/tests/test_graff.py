import math
from pathlib import Path

import pytest
import torch
from torch import nn

import graff
from graff import GraffError
from graff.averaging import ScheduleFree, without_momentum
from graff.encoder import TrajectoryEncoder
from graff.features import FEATURES, BlockFacts, Standardizer, Surroundings, raw_features
from graff.regret import Regret
from graff.residual import LearnedResidual
from graff.warm_start import packaged, read_warm_start, save_warm_start


def test_with_a_zero_decoder_it_is_the_linear_planner_to_the_last_bit(new_run, clock):
    linear = new_run("linear", clock)
    linear.advance(30)
    zero = new_run("graff", clock, zero_decoder=True, averaging=False)
    zero.advance(30)
    assert new_run.same(linear.weights(), zero.weights())
    assert [r.learning_rates for r in linear.reports] == [r.learning_rates for r in zero.reports]


def test_a_frozen_decoder_of_zeros_without_probes_is_linear_too(new_run, clock):
    linear = new_run("linear", clock)
    linear.advance(30)
    frozen = new_run("graff", clock, learn=False, averaging=False)
    frozen.advance(30, probe=False)
    assert new_run.same(linear.weights(), frozen.weights())


def test_with_averaging_and_a_zero_decoder_it_is_schedule_free_averaging_and_nothing_else(new_run, clock):
    plain = new_run("fixed", clock, warmup_fraction=0.02)
    without_momentum(plain.optimizer)
    average = ScheduleFree(list(plain.model.parameters()), 0.9)
    own = plain.optimizer.step

    def averaged():
        average.before()
        own()
        average.after(plain.optimizer.param_groups[0]["lr"])

    plain.optimizer.step = averaged
    plain.advance(30)
    for options in ({"zero_decoder": True}, {"learn": False, "probe_share": 0.0}):
        run = new_run("graff", clock, **options)
        run.advance(30)
        # The rates differ in their unit alone, and so in rounding.
        for a, b in zip(plain.weights(), run.weights(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
        training = run.weights()
        with run.planner.evaluating(), average.evaluating():
            for a, b in zip(plain.weights(), run.weights(), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
            assert not new_run.same(training, run.weights())
        assert new_run.same(training, run.weights())
        assert run.optimizer.param_groups[0]["betas"][0] == 0.0


def test_a_state_saved_without_averaging_is_not_taken_for_one_with_it(new_run, clock):
    state = new_run("graff", clock, averaging=False).planner.state_dict()
    with pytest.raises(GraffError, match=r"^state with averaging=False: this planner has averaging=True; resume"):
        new_run("graff", clock).planner.load_state_dict(state)


def test_a_rate_far_too_small_is_raised_and_one_far_too_large_is_lowered(new_run, clock):
    small = new_run("graff", clock, seconds=12.0, lr=1e-5)
    small.advance(60, probe=False)
    assert small.reports[-1].metrics["log_residual"] > 1.5
    large = new_run("graff", clock, seconds=12.0, lr=1.0)
    large.advance(60, probe=False)
    assert min(report.metrics["log_residual"] for report in large.reports) < -1.0
    assert large.reports[-1].metrics["log_residual"] < -0.5


def test_the_residual_never_leaves_its_bound(new_run, clock):
    run = new_run("graff", clock, lr=1e-7, residual_bound=4.0, outer_lr=1e-2)
    reports = run.advance(39)
    residuals = [r.metrics["log_residual"] for r in reports]
    assert max(residuals) > 0.9 * math.log(4.0)
    assert max(map(abs, residuals)) <= math.log(4.0) + 1e-6


def test_learning_moves_the_decoder_and_the_encoder_unless_frozen(new_run, clock):
    def moved(**options):
        run = new_run("graff", clock, **options)
        start = {k: v.clone() for k, v in run.planner.warm_start_weights.encoder.items()}
        run.advance(10, probe=False)
        weights = run.planner.warm_start_weights
        encoder = any(not torch.equal(start[k], v) for k, v in weights.encoder.items())
        return encoder, bool(weights.decoder["weight"].abs().max() > 0)

    assert moved() == (True, True)
    assert moved(learn=False) == (False, False)


def test_the_guard_projects_a_learning_decoder_and_leaves_a_frozen_one_alone():
    for learn in (True, False):
        residual = LearnedResidual(torch.zeros(2, 2), bound=30.0, learn=learn, seed=0)
        with torch.no_grad():
            residual.decoder.bias.fill_(1.0)
        residual.next(torch.zeros(2, len(FEATURES)))
        before = float(residual.decoder.bias.detach())
        residual.bound(0.25)
        assert (float(residual.decoder.bias.detach()) < before - 0.5) == learn


@pytest.mark.parametrize("option", ["graph_edges", "budget_feature"])
def test_an_ablation_changes_what_the_planner_does(option, new_run, clock):
    full, ablated = new_run("graff", clock), new_run("graff", clock, **{option: False})
    full.advance(15, probe=False)
    ablated.advance(15, probe=False)
    assert full.reports[-1].learning_rate != ablated.reports[-1].learning_rate


def test_the_gradient_into_the_network_is_that_of_the_next_loss_by_this_rate(clock):
    """Two real steps in double precision: the derivative by the decoder's bias, against finite differences."""

    def next_loss(shift):
        torch.manual_seed(2)
        model = nn.Linear(4, 2).double()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
        budget = graff.Budget(seconds=100, clock=clock)
        planner = graff.Graff(optimizer, model, budget, warmup_fraction=0.0)
        batches = [torch.randn(8, 4).double() for _ in range(2)]
        with torch.no_grad():
            planner._residual.decoder.bias += shift
        planner.weigh(model(batches[0]).square()).backward()
        clock.pass_by(0.1)
        planner.step()
        planner.weigh(model(batches[1]).square()).backward()
        clock.pass_by(0.1)
        return planner, planner.step()

    _, report = next_loss(0.0)
    shift = 1e-3
    numeric = (next_loss(shift)[1].loss - next_loss(-shift)[1].loss) / (2 * shift)
    assert report.metrics["hypergradient"] == pytest.approx(numeric, rel=1e-3)
    planner, report = next_loss(0.0)
    bias = planner._residual._outer.state[planner._residual.decoder.bias]["exp_avg"] / (1 - 0.9)
    told = float(bias) * math.exp(planner._residual._log_scale)  # it enters in units of its own scale
    assert told == pytest.approx(numeric * Regret.weight(0.2), rel=1e-3)


def test_the_guard_shortens_a_step_that_overshoots_and_holds_the_rate_down(new_run, clock):
    run = new_run("graff", clock, lr=0.5, seconds=40.0, rho_guard=0.2, probe_share=0.9)
    reports = run.advance(40)
    last = reports[-1].metrics
    assert last["guard_rho"] > 0
    assert last["probes"] > 10
    free = new_run("graff", clock, lr=0.5, seconds=40.0, probe_share=0.0)
    free.advance(40)
    assert reports[-1].learning_rate < free.reports[-1].learning_rate
    assert free.reports[-1].metrics["probes"] == 0


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("averaging", [True, False])
def test_a_shortened_step_is_credited_with_what_was_left_of_it(new_run, clock, averaging, optimizer):
    run = new_run(
        "graff", clock, lr=0.5, seconds=40.0, rho_guard=0.05, probe_share=0.9, averaging=averaging, seek=False,
        optimizer=optimizer,
    )  # fmt: skip
    shortened = 0

    def base():
        return [t.detach().clone() for t in run.planner._base_iterate()]

    for _ in range(30):
        before = base()
        acted = run.reports[-1].metrics.get("guard_rho", 0) if run.reports else 0
        report = run.advance(1)[-1]
        if report.metrics["guard_rho"] > acted:
            shortened += 1
            moved = [b - a for b, a in zip(before, base(), strict=True)]
            for told, real in zip(run.planner._last_step.displacements(), moved, strict=True):
                torch.testing.assert_close(told, real, rtol=1e-3, atol=1e-6)
            free = report.metrics["prior"] * math.exp(report.metrics["log_residual"]) * 0.5
            assert report.learning_rates[0] < 0.999 * free
    assert shortened > 0


def test_learning_goes_on_soon_after_one_enormous_hypergradient():
    residual = LearnedResidual(torch.zeros(2, 2), bound=30.0, learn=True, seed=0)
    features = torch.zeros(2, len(FEATURES))
    residual.next(features)
    residual.learn(1e4, 0.1)
    lowered = residual.next(features)
    for _ in range(60):
        residual.learn(-1.0, 0.1)
        after = residual.next(features)
    assert lowered < 0
    assert after > lowered + 1.0


def test_a_bound_loosens_threefold_every_ten_steps_until_the_next_probe(new_run, clock):
    run = new_run("graff", clock, seconds=40.0, learn=False)
    run.advance(10, probe=False)
    free = run.reports[-1].learning_rates[0]
    run.planner._probing.log_bound = math.log(0.01)
    rates = [report.learning_rates[0] / free for report in run.advance(60, probe=False)[10:]]
    assert rates[0] == pytest.approx(0.01 * 3**0.1)
    assert rates[20] == pytest.approx(0.01 * 3**2.1)
    assert rates[45] == pytest.approx(1.0)


def test_no_probe_runs_before_there_is_a_usable_curvature(new_run, clock):
    reports = new_run("graff", clock, probe_share=0.9, seek=False).advance(6)
    assert [r.metrics["probes"] for r in reports] == [0, 0, 0, 0, 1, 2]
    reports = new_run("graff", clock, probe_share=0.9).advance(6)
    assert [r.metrics["probes"] for r in reports] == [0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("averaging", [True, False])
def test_the_first_probes_raise_a_base_rate_that_is_far_too_small_and_leave_one_near_the_best_alone(
    new_run, clock, averaging
):
    small = new_run("graff", clock, lr=1e-6, seconds=40.0, averaging=averaging)
    slow = new_run("graff", clock, lr=1e-6, seconds=40.0, averaging=averaging, seek=False)
    assert small.advance(12)[-1].metrics["log_anchor"] > math.log(26)
    assert slow.advance(12)[-1].metrics["log_anchor"] == 0
    assert small.reports[-1].learning_rate > 10 * slow.reports[-1].learning_rate
    assert small.reports[-1].metrics["probe_s"] <= 0.02 * 40.0
    large = new_run("graff", clock, lr=0.3, seconds=40.0, averaging=averaging)
    assert large.advance(20)[-1].metrics["log_anchor"] == 0
    frozen = new_run("graff", clock, lr=1e-6, seconds=40.0, averaging=averaging, learn=False)
    assert frozen.advance(12)[-1].metrics["log_anchor"] == 0


def test_a_probe_that_fails_is_counted_and_the_run_goes_on_as_without_it(new_run, clock, caplog):
    run = new_run("graff", clock, probe_share=0.5)
    for _ in range(8):
        run.planner.weigh(run.token_losses(run.batch())).backward()
        clock.pass_by(0.125)
        report = run.planner.step(lambda: 1 / 0)
    without = new_run("graff", clock)
    without.advance(8, probe=False)
    assert report.metrics["probe_failures"] == report.metrics["probes"] > 0
    assert "ZeroDivisionError" in caplog.text
    assert new_run.same(run.weights(), without.weights())


def test_a_network_that_gives_no_number_is_replaced_and_the_prior_takes_over(new_run, clock):
    run = new_run("graff", clock)
    run.advance(5, probe=False)
    with torch.no_grad():
        run.planner._residual.decoder.bias.fill_(float("nan"))
    report = run.advance(1, probe=False)[-1]
    assert report.metrics["residual_failures"] == 1
    assert report.metrics["log_residual"] == 0
    assert run.advance(5, probe=False)[-1].metrics["residual_failures"] == 1


def test_observed_entropy_is_a_feature_and_absent_entropy_is_masked(new_run, clock):
    facts = BlockFacts(*(torch.ones(2, dtype=torch.float64) for _ in range(4)))
    with_it = raw_features(facts, Surroundings(budget=0.5, entropy=1.5))
    without = raw_features(facts, Surroundings(budget=0.5))
    column = FEATURES.index("entropy")
    assert with_it[:, column].tolist() == [1.5, 1.5]
    assert without[:, column].isnan().all()
    assert Standardizer()(without)[:, column].tolist() == [0.0, 0.0]

    plain, told = new_run("graff", clock), new_run("graff", clock)
    for step in range(6):
        plain.advance(1, probe=False)
        told.planner.observe(entropy=1.0 + step % 3)
        told.advance(1, probe=False)
    assert plain.reports[-1].learning_rate != told.reports[-1].learning_rate


def test_features_are_standardised_and_the_budget_is_mapped_to_its_range():
    standardizer = Standardizer()
    generator = torch.Generator().manual_seed(0)
    rows = []
    for step in range(300):
        raw = 5.0 + 2.0 * torch.randn(4, len(FEATURES), generator=generator, dtype=torch.float64)
        raw[:, FEATURES.index("budget")] = 1 - step / 299
        rows.append(standardizer(raw))
    late = torch.stack(rows[100:])[..., FEATURES.index("cosine")]
    assert abs(float(late.mean())) < 0.1
    assert float(late.std()) == pytest.approx(1.0, abs=0.1)
    budget = torch.stack(rows)[:, 0, FEATURES.index("budget")]
    assert (float(budget[0]), float(budget[-1])) == (1.0, -1.0)
    assert float(torch.stack(rows).abs().max()) <= 3.0


def test_without_edges_blocks_do_not_hear_of_each_other():
    encoder = TrajectoryEncoder(torch.Generator().manual_seed(0))
    features, state = torch.randn(3, len(FEATURES)), torch.zeros(3, 16)
    changed = features.clone()
    changed[0] += 1.0
    chain = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0]])
    none = torch.zeros(3, 3)
    assert torch.equal(encoder(features, none, state)[1:], encoder(changed, none, state)[1:])
    assert not torch.equal(encoder(features, chain, state)[1], encoder(changed, chain, state)[1])
    assert not torch.equal(encoder(features, chain, state)[2], encoder(changed, chain, state)[2])  # two rounds


def test_the_outer_rate_is_relative_to_the_expected_number_of_steps(new_run, clock):
    short, long = new_run("graff", clock, seconds=25.0), new_run("graff", clock, seconds=250.0)
    paces = [run.advance(5, probe=False)[-1].metrics["outer_pace"] for run in (short, long)]
    # 15 units of movement over 200 and over 2000 steps of an eighth of a second.
    assert paces == pytest.approx([15 / 200, 15 / 2000], rel=0.3)


def test_the_regret_is_the_distance_to_the_best_running_loss_per_second():
    regret = Regret()
    assert regret.take(2.0, 1.0) == 0.0
    assert regret.take(1.0, 2.0) == 0.0
    expected = ((0.02 * 3.0 + 0.98 * 0.02 * 1.0 + 0.98**2 * 0.02 * 2.0) / (1 - 0.98**3)) - (
        (0.02 * 1.0 + 0.98 * 0.02 * 2.0) / (1 - 0.98**2)
    )
    assert regret.take(3.0, 4.0) == pytest.approx(expected / 4.0)


def test_a_warm_start_brings_what_was_learned_but_not_the_offset_of_its_base_rate(new_run, clock, tmp_path):
    trained = new_run("graff", clock, lr=1e-5)
    trained.advance(30)
    assert trained.reports[-1].metrics["log_residual"] > 0.5
    path = tmp_path / "start.pt"
    save_warm_start(path, trained.planner.warm_start_weights)
    read = read_warm_start(path)
    started = new_run("graff", clock, warm_start=path, learn=False)
    for key, value in started.planner.warm_start_weights.encoder.items():
        assert torch.equal(value, read.encoder[key])
    residuals = [r.metrics["log_residual"] for r in started.advance(12)]
    assert max(map(abs, residuals[:5])) < 1e-6
    assert 1e-3 < max(map(abs, residuals)) < 0.3


def test_a_run_that_is_resumed_while_a_warm_start_settles_goes_on_as_it_would_have(new_run, clock, tmp_path):
    trained = new_run("graff", clock, lr=1e-5)
    trained.advance(30)
    path = tmp_path / "start.pt"
    save_warm_start(path, trained.planner.warm_start_weights)
    unbroken = new_run("graff", clock, warm_start=path)
    unbroken.advance(2)
    torch.save(unbroken.state(), tmp_path / "state.pt")
    unbroken.advance(10)
    resumed = new_run("graff", clock)
    resumed.load(torch.load(tmp_path / "state.pt", weights_only=True))
    resumed.advance(10)
    assert new_run.same(unbroken.weights(), resumed.weights())


def test_a_warm_start_that_cannot_be_read_is_one_line(new_run, clock, tmp_path):
    with pytest.raises(GraffError, match=r"^warm start 'nowhere\.pt': no such file; the packaged ones are "):
        new_run("graff", clock, warm_start="nowhere.pt")
    torch.save({"format": "something else"}, tmp_path / "other.pt")
    with pytest.raises(GraffError, match=r"^warm start .*other\.pt: not a file of format"):
        new_run("graff", clock, warm_start=tmp_path / "other.pt")


def test_a_file_that_would_run_code_is_refused_before_it_does(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"format": "graff-warm-start-1", "encoder": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(GraffError, match="not a file of format"):
        read_warm_start(tmp_path / "harmful.pt")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["tiny-qwen3", *packaged()])
def test_a_packaged_warm_start_can_be_named_with_and_without_its_suffix(name, new_run, clock):
    assert read_warm_start(name).decoder.keys() == read_warm_start(f"{name}.pt").decoder.keys()
    new_run("graff", clock, warm_start=name).advance(3)


@pytest.mark.parametrize(
    ("option", "value"),
    [("outer_lr", 0.0), ("stability_guard", -1.0), ("rho_guard", 0.0), ("probe_share", 1.0), ("residual_bound", 1.0)],
)
def test_an_option_out_of_its_range_is_one_line(option, value, new_run, clock):
    with pytest.raises(GraffError, match=f"^{option} of {value}: it is "):
        new_run("graff", clock, **{option: value})
