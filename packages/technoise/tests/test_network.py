import pytest
import torch

from technoise.network import Head, Network, Start, per_replicate, with_depth


class Linear(Network):
    """The least that a network is."""

    def __init__(self, n_covariates, start):
        super().__init__()
        self.rate, self.log_size = Head(n_covariates, (), 0.0, start.log_rate), start.log_size

    def forward(self, covariates, offsets):
        log_rate = self.rate(covariates)
        return with_depth(log_rate, offsets), per_replicate(torch.full_like(log_rate, self.log_size), offsets)


def test_a_network_without_forward_cannot_be_made():
    class Unfinished(Network):
        pass

    with pytest.raises(TypeError, match=r"abstract.*forward"):
        Unfinished()
    with pytest.raises(TypeError, match="abstract"):
        Network()


def test_an_untrained_network_says_where_it_starts_at_every_depth_however_far_out_a_bin_is():
    torch.manual_seed(0)
    covariates = torch.tensor([[0.0, 0.0], [1e4, -1e4]])
    offsets = torch.tensor([2.0, -1.0])
    log_mean, log_size = Linear(2, Start(-3.0, 0.5))(covariates, offsets)
    torch.testing.assert_close(log_mean, torch.tensor([[-1.0, -4.0], [-1.0, -4.0]]))
    torch.testing.assert_close(log_size, torch.full((2, 2), 0.5))


def test_a_head_is_silent_at_the_start_and_both_of_its_last_layers_learn_from_the_first_step():
    torch.manual_seed(0)
    head = Head(3, (8, 8), 0.0, 1.5)
    inputs = torch.randn(20, 3)
    assert head(inputs).tolist() == [1.5] * 20
    (head(inputs) * torch.randn(20)).sum().backward()
    assert float(head.linear.weight.grad.abs().max()) > 0
    assert float(head.network[-1].weight.grad.abs().max()) > 0


def test_widths_are_those_of_the_hidden_layers_and_dropout_is_off_in_evaluation():
    head = Head(3, (5, 4), 0.5, 0.0)
    shapes = [tuple(layer.weight.shape) for layer in head.network if isinstance(layer, torch.nn.Linear)]
    assert shapes == [(5, 3), (4, 5), (1, 4)]
    torch.nn.init.ones_(head.network[-1].weight)
    inputs = torch.randn(50, 3)
    assert not torch.equal(head(inputs), head(inputs))
    head.eval()
    assert torch.equal(head(inputs), head(inputs))


def test_nothing_lies_on_top_of_what_a_network_says_unless_it_says_so():
    assert Linear(2, Start(0.0, 0.0)).signal(5) is None
