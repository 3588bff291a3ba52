import torch
from torch import nn

from graff.blocks import find_blocks


class Adapted(nn.Module):
    def __init__(self):
        super().__init__()
        self.lora_A = nn.ModuleDict({"default": nn.Linear(4, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, 4, bias=False)})


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.ModuleDict({"q_proj": Adapted(), "v_proj": Adapted()})
        self.mlp = Adapted()


class Model(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.layers = nn.ModuleList(Layer() for _ in range(depth))


def blocks_of(model, tensors):
    return find_blocks(model, tensors, [0] * len(tensors))


def adapters(model):
    return [p for name, p in model.named_parameters() if "lora_" in name]


def test_both_matrices_of_an_adapter_make_one_block():
    model = Model()
    blocks = blocks_of(model, adapters(model))
    assert len(blocks.names) == 9
    assert blocks.names[0] == "layers.0.attn.q_proj"
    assert blocks.owner == tuple(i // 2 for i in range(18))


def test_blocks_are_linked_within_a_layer_and_by_role_over_depth():
    model = Model()
    blocks = blocks_of(model, adapters(model))
    named = {(blocks.names[i], blocks.names[j]) for i, j in blocks.edges}
    assert ("layers.1.attn.q_proj", "layers.1.mlp") in named
    assert ("layers.0.attn.q_proj", "layers.1.attn.q_proj") in named
    assert ("layers.0.attn.q_proj", "layers.2.attn.q_proj") not in named
    assert ("layers.0.attn.q_proj", "layers.1.attn.v_proj") not in named
    assert len(named) == 3 * 3 + 2 * 3


def test_the_adjacency_averages_over_neighbours():
    model = Model()
    adjacency = blocks_of(model, adapters(model)).adjacency()
    torch.testing.assert_close(adjacency.sum(1), torch.ones(9))
    torch.testing.assert_close(
        adjacency[adjacency > 0], 1.0 / (adjacency > 0).sum(1).repeat_interleave((adjacency > 0).sum(1))
    )
    assert adjacency[0].count_nonzero() == 3  # two of its layer, one below


def test_the_order_of_the_optimizer_and_wrappers_do_not_change_the_graph():
    model = Model()
    plain = blocks_of(model, adapters(model))
    wrapped = nn.Module()
    wrapped.add_module("_orig_mod", model)
    turned = blocks_of(wrapped, adapters(model)[::-1])
    assert turned.names == plain.names
    assert turned.edges == plain.edges
    assert turned.owner == plain.owner[::-1]


def test_a_model_without_adapters_has_a_block_for_every_module_with_weights_in_one_chain():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 1))
    blocks = blocks_of(model, list(model.parameters()))
    assert blocks.names == ("0", "2", "3")
    assert blocks.owner == (0, 0, 1, 1, 2, 2)
    assert blocks.edges == ((0, 1), (1, 2))


def test_layers_without_a_common_role_are_linked_so_that_the_chain_holds():
    model = Model(depth=1)
    blocks = blocks_of(model, [model.embed.weight, *adapters(model)])
    assert blocks.names[0] == "embed"
    assert (0, 1) in blocks.edges


def test_tensors_without_a_model_are_blocks_by_parameter_group():
    tensors = [torch.zeros(1) for _ in range(3)]
    blocks = find_blocks(None, tensors, [0, 0, 1])
    assert blocks.names == ("group 0", "group 1")
    assert blocks.owner == (0, 0, 1)
