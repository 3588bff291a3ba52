"""What is left of the two additional heads where they are off, and checkpoints that know of other heads."""

from contextlib import contextmanager

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from graff.encoder import HEADS, HIDDEN
from packages.graff.tests.small_decoders import Run as LanguageRun

BLOCKS, TOKENS = "block_multipliers", "token_multipliers"
LANGUAGE = {"probe_share": 0.3, "entropy_positions": 12}


@contextmanager
def stepped():
    """Count the steps of every optimizer of the process, and those at which it had a gradient."""
    counts = {}

    def look(optimizer, *_):
        steps, learned = counts.get(optimizer, (0, 0))
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        counts[optimizer] = steps + 1, learned + any(bool(g.any()) for g in gradients)

    handle = register_optimizer_step_pre_hook(look)
    try:
        yield counts
    finally:
        handle.remove()


def in_the_former_form(state):
    """Return the state as one optimizer over both heads left it, which was there whatever was on."""
    residual = state["planner"]["residual"]
    both = torch.optim.AdamW([torch.zeros(HIDDEN) for _ in HEADS], lr=0.0, weight_decay=0.1).state_dict()
    for index, head in enumerate(HEADS):
        if head in residual["heads"]:
            own = residual["heads"][head]
            both["state"] |= {index: own["state"][0]} if own["state"] else {}
            both["param_groups"][0]["lr"] = own["param_groups"][0]["lr"]
    weights = {head: torch.zeros(HIDDEN) for head in HEADS} | dict(residual["decoder"])
    planner = state["planner"] | {"residual": residual | {"heads": both, "decoder": weights}}
    return state | {"planner": planner}


@pytest.mark.parametrize("options", [{}, {BLOCKS: True}, {BLOCKS: True, "zero_decoder": True}])
def test_no_optimizer_steps_whose_parameters_never_get_a_gradient(new_run, clock, options):
    with stepped() as counts:
        run = new_run("graff", clock, **options)
        run.advance(12)
    assert counts.pop(run.optimizer) == (12, 12)
    assert all(learned == steps for steps, learned in counts.values())
    outer = 0 if "zero_decoder" in options else 1 + len(options)
    assert len(counts) == outer


def test_the_token_head_is_stepped_where_it_learned_and_nowhere_else(clock):
    with stepped() as counts:
        run = LanguageRun(clock, token_multipliers=True, **LANGUAGE)
        run.advance(16)
    (head,) = [o for o in counts if o.param_groups[0]["params"] == [run.planner._residual.decoder.token_weight]]
    assert 0 < counts[head][0] < 16
    assert all(learned == steps for steps, learned in counts.values())


@pytest.mark.parametrize("zero_decoder", [True, False])
def test_a_head_that_is_off_has_neither_weights_nor_a_state(new_run, clock, zero_decoder):
    on = {BLOCKS: True, TOKENS: True} if zero_decoder else {"entropy": True}
    run = new_run("graff", clock, zero_decoder=zero_decoder, **on)
    run.advance(4)
    residual = run.planner.state_dict()["residual"]
    assert residual["heads"] == {}
    assert set(residual["decoder"]) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("options", "form"),
    [
        *[({}, form) for form in ("former", "present", "without the key")],
        *[({BLOCKS: True}, form) for form in ("former", "present")],
        *[({BLOCKS: True, "learn": False}, form) for form in ("former", "present")],
    ],
)
def test_a_state_of_either_form_is_followed_bit_for_bit(new_run, clock, tmp_path, options, form):
    unbroken = new_run("graff", clock, probe_share=0.3, **options)
    unbroken.advance(12)
    state = in_the_former_form(unbroken.state()) if form == "former" else unbroken.state()
    if form == "without the key":
        del state["planner"]["residual"]["heads"]
    torch.save(state, tmp_path / "state.pt")
    end = unbroken.advance(10)[12:]
    resumed = new_run("graff", clock, probe_share=0.3, **options)
    resumed.load(torch.load(tmp_path / "state.pt", weights_only=True))
    again = resumed.advance(10)
    assert new_run.same(unbroken.weights(), resumed.weights())
    assert [report.metrics for report in end] == [report.metrics for report in again]


@pytest.mark.parametrize("options", [{TOKENS: True}, {BLOCKS: True, TOKENS: True}])
def test_a_former_state_with_token_multipliers_is_followed_bit_for_bit(clock, tmp_path, options):
    unbroken = LanguageRun(clock, **options, **LANGUAGE)
    unbroken.advance(16)
    torch.save(in_the_former_form(unbroken.state()), tmp_path / "state.pt")
    unbroken.advance(10)
    resumed = LanguageRun(clock, **options, **LANGUAGE)
    resumed.load(torch.load(tmp_path / "state.pt", weights_only=True))
    resumed.advance(10)
    weights = [run.planner._residual.decoder.token_weight for run in (unbroken, resumed)]
    assert weights[0].any()
    assert torch.equal(*weights)
    for ours, theirs in zip(unbroken.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_head_that_a_state_does_not_have_starts_at_zero_and_one_that_is_off_is_passed_over(new_run, clock):
    with_head, without = new_run("graff", clock, block_multipliers=True), new_run("graff", clock)
    for run in (with_head, without):
        run.advance(8)
    for state in (with_head.state(), in_the_former_form(with_head.state())):
        resumed = new_run("graff", clock)
        resumed.load(state)
        assert set(resumed.planner.warm_start_weights.decoder) == {"weight", "bias"}
        assert resumed.advance(3)[-1].metrics["log_residual"] != 0
    started = new_run("graff", clock, block_multipliers=True)
    started.load(without.state())
    assert not started.planner.warm_start_weights.decoder["block_weight"].any()
    assert started.advance(3)[-1].metrics["block_multiplier_max"] > 1
