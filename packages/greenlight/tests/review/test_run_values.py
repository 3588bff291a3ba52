import ast

import pytest

from greenlight.review.engines.checkpoints import Checkpoints
from greenlight.review.engines.networks import Networks
from greenlight.review.engines.run_values import RunValues
from greenlight.review.engines.value_flow import carries, is_number
from greenlight.review.module import Module
from greenlight.review.subject import Subject

RUNS = {
    "config/config.yaml": "dataset:\n  cached: true\n",
    "config/runs/a.yaml": "dataset:\n  name: gsm8k\nmodel:\n  name: gpt2\n",
    "config/runs/b.yaml": "dataset:\n  name: imdb\nmodel:\n  name: roberta-base\n",
}


def worth(code, expression="FOUND"):
    subject = Subject.of({**RUNS, "src/train.py": code})
    module = subject.module("src/train.py")
    node = next(n.args[0] for n in module.nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == expression)
    return dict(subject.derived(RunValues).of(module, node))


def test_a_setting_has_the_value_of_each_run_file():
    code = "def f(cfg):\n    name = cfg.dataset.name\n    FOUND(name)\n"
    assert worth(code) == {"a": "gsm8k", "b": "imdb"}


def test_what_the_run_file_leaves_out_comes_from_the_main_file():
    assert worth("def f(cfg):\n    FOUND(not cfg['dataset']['cached'])\n") == {"a": False, "b": False}


def test_a_section_that_is_handed_on_is_followed():
    code = "def g(section):\n    FOUND(section.get('name'))\n\ndef f(cfg):\n    g(cfg.model)\n"
    assert worth(code) == {"a": "gpt2", "b": "roberta-base"}


def test_a_setting_that_the_code_writes_has_no_value():
    assert worth("def f(cfg):\n    cfg.dataset.name = 'x'\n    FOUND(cfg.dataset.name)\n") == {}


def test_call_sites_that_disagree_give_no_value():
    code = "def g(section):\n    FOUND(section.name)\n\ndef f(cfg):\n    g(cfg.model)\n    g(cfg.dataset)\n"
    assert worth(code) == {}


def test_checkpoints_know_their_families_in_every_run():
    code = (
        "from transformers import AutoModel\n\ndef f(cfg):\n    AutoModel.from_pretrained(cfg.model.name)\n"
        "    AutoModel.from_pretrained('someone/else')\n"
    )
    found = Subject.of({**RUNS, "src/train.py": code}).derived(Checkpoints)
    assert found.models[0].families == {"gpt2", "roberta"}
    assert found.families == {"gpt2", "roberta", None}


def test_a_network_that_holds_a_learning_network_learns():
    code = """
    from torch import nn

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

    class Empty(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
    """
    found = {network.node.name: network.learns for network in Subject.of({"src/model.py": code}).derived(Networks)}
    assert found == {"Outer": True, "Inner": True, "Empty": False}


@pytest.mark.parametrize(
    ("expression", "number"),
    [("x.item() / 2", True), ("max(1.0, len(y))", True), ("cfg.a / 2", True), ("x / 2", False), ("max(x, 1)", False)],
)
def test_a_number_is_told_from_what_may_be_a_tensor(expression, number):
    module = Module("src/a.py", f"def f(x, y, cfg):\n    return {expression}\n".encode())
    assert is_number(module, module.functions[0].body[0].value) is number


@pytest.mark.parametrize(
    ("expression", "carried"),
    [("x.detach() + 1", False), ("float(x)", False), ("f(x).exp()", True), ("x.shape", False), ("x > 1", False)],
)
def test_a_value_is_carried_until_it_leaves_the_graph(expression, carried):
    assert carries(ast.parse(expression, mode="eval").body, {"x"}) is carried


def test_a_key_of_that_name_in_another_object_writes_no_setting():
    code = (
        "def g(rows):\n    table = {}\n    table['name'] = 1\n    self.name = 2\n\n"
        "def f(cfg):\n    cfg.model.name = 'x'\n    FOUND(cfg.dataset.name)\n"
    )
    assert worth(code) == {"a": "gsm8k", "b": "imdb"}
    assert worth(code.replace("cfg.dataset", "cfg.model")) == {}


def test_a_key_that_is_written_to_something_unknown_has_no_value():
    assert worth("def g(thing):\n    thing.name = 1\n\ndef f(cfg):\n    FOUND(cfg.dataset.name)\n") == {}


def test_an_override_that_the_code_makes_has_no_value():
    text = "def f(cfg, x):\n    {}\n    FOUND(cfg.dataset.name)\n"
    assert worth(text.format("run([f'dataset.name={x}'])")) == {}
    assert worth(text.format("raise ValueError(f'dataset.name={x}: say another')")) == {"a": "gsm8k", "b": "imdb"}


def test_a_section_that_a_class_keeps_is_followed():
    code = (
        "class A:\n    def __init__(self, cfg):\n        self.section, self.x = cfg.model, 1\n\n"
        "    def f(self):\n        FOUND(self.section.name)\n"
    )
    assert worth(code) == {"a": "gpt2", "b": "roberta-base"}


def test_a_text_is_known_where_one_call_of_several_is():
    code = "def g(section):\n    FOUND(section.name)\n\ndef f(cfg, other):\n    g(cfg.dataset)\n    g(other.copied())\n"
    subject = Subject.of({**RUNS, "src/train.py": code})
    module = subject.module("src/train.py")
    node = next(n.args[0] for n in module.nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == "FOUND")
    values = subject.derived(RunValues)
    assert values.strings(module, node) == frozenset()
    assert values.texts_at_some_call(module, node) == {"gsm8k", "imdb"}
