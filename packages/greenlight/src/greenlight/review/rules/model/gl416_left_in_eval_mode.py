"""GL416: evaluation inside of the training loop switches the model to eval mode, and nothing switches it back."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.aliases import Aliases
from greenlight.review.engines.flow import Flow
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Function, Module, walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_QUIET = ("torch.optim.", "torch.nn.utils.", "torch.save")


class LeftInEvalMode(Rule):
    """After the first evaluation the model trains without dropout and with frozen batch statistics."""

    id = "GL416"
    name = "left-in-eval-mode"
    criterion = Criterion.MODEL
    severity = Severity.MAJOR
    sentences = ("4.6",)
    summary = (
        "The model is put into eval mode inside of the training loop and never back, so it trains without dropout."
    )
    why = (
        "model.train() before the loop holds until the first model.eval(). From then on dropout is off and batch "
        "norm uses "
        "its running statistics while gradients still flow: a different model is trained than the one configured."
    )
    remedy = "Call model.train() at the start of every epoch, or after each evaluation."
    valid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches, held_out):
                for epoch in range(3):
                    model.train()
                    for batch in batches:
                        model(batch).backward()
                        optimizer.step()
                    model.eval()
                    score(model, held_out)
            """
        },
        {
            "src/train.py": """
            def train(model, optimizer, batches, held_out):
                model.train()
                for epoch in range(3):
                    for batch in batches:
                        model(batch).backward()
                        optimizer.step()
                model.eval()
                score(model, held_out)
            """
        },
        {
            "src/train.py": """
            import torch

            def accuracy(model, rows):
                model.eval()
                return sum(model(row) for row in rows)

            def advance(model, optimizer, batch):
                model(batch).backward()
                optimizer.step()
                optimizer.zero_grad()

            def train(model, batches, held_out):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                model.train()
                for step, batch in enumerate(batches):
                    advance(model, optimizer, batch)
                    if step % 100 == 0:
                        print(accuracy(model, held_out))
                        model.train()
            """
        },
        {
            "src/train.py": """
            import torch

            def accuracy(model, rows):
                model.eval()
                return sum(model(row) for row in rows)

            def advance(model, optimizer, batch):
                model(batch).backward()
                optimizer.step()
                optimizer.zero_grad()

            def train(model, batches, held_out):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                model.train()
                for step, batch in enumerate(batches):
                    advance(model, optimizer, batch)
                    if step % 100 == 0:
                        print(accuracy(model, held_out))
                        break
            """
        },
    )
    invalid = (
        {
            "src/train.py": """
            def train(model, optimizer, batches, held_out):
                model.train()
                for epoch in range(3):
                    for batch in batches:
                        model(batch).backward()
                        optimizer.step()
                    model.eval()
                    score(model, held_out)
            """
        },
        {
            "src/train.py": """
            import torch

            def accuracy(model, rows):
                model.eval()
                return sum(model(row) for row in rows)

            def advance(model, optimizer, batch):
                model(batch).backward()
                optimizer.step()
                optimizer.zero_grad()

            def train(model, batches, held_out):
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                model.train()
                for step, batch in enumerate(batches):
                    advance(model, optimizer, batch)
                    if step % 100 == 0:
                        print(accuracy(model, held_out))
                        print(step)
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each loop."""
        if not any(True for module in subject.code for _ in module.method_calls("eval")):
            raise NotApplicable("no model is put into eval mode")
        found = False
        for module in subject.code:
            for function in module.functions:
                for finding in self._in_function(subject, module, function):
                    found = True
                    yield finding
        if not found:
            yield from self._over_functions(subject)

    def _over_functions(self, subject: Subject) -> Iterator[Finding]:
        """Yield where a function that the training loop calls leaves the trained model in eval mode."""
        flow = subject.derived(Flow)
        for module in subject.code:
            for call in module.calls("torch.optim.*"):
                function, name = module.function_around(call), _optimized(call)
                if function is None or name is None:
                    continue
                life = subject.derived(Aliases).of(module, function, name)
                back = life.reads("train", "training")
                switched = [(home, node) for home, node in life.reads("eval") if _is_bare_call(home, node)]
                if not switched or life.escapes or any(not (to or "").startswith(_QUIET) for _, _, to in life.given):
                    continue
                for loop in walk(function):
                    if not isinstance(loop, ast.While | ast.For):
                        continue
                    inside = _reached(flow, module, loop)
                    if not any(isinstance(n, ast.Attribute) and n.attr == "backward" for n in inside):
                        continue
                    if any(node in inside for _, node in back):
                        continue
                    late = next(
                        (
                            (home, node)
                            for home, node in switched
                            if node in inside and self._comes_back(flow, module, loop, node)
                        ),
                        None,
                    )
                    if late is not None:
                        yield self.at(
                            late[0],
                            late[1],
                            f"{late[0].source(late[1])}() is reached from the training loop "
                            f"({module.path}:{loop.lineno}), "
                            "and nothing in the loop calls train()",
                            "remember model.training and restore it, or call train() before the next batch",
                        )
                        return

    @staticmethod
    def _comes_back(flow: Flow, module: Module, loop: ast.AST, node: ast.AST) -> bool:
        """Return whether the loop may go on after a statement of it that leads to a node."""
        for call in walk(loop):
            if isinstance(call, ast.Call) and (node is call.func or node in _reached(flow, module, call)):
                around: ast.AST = call
                stays = True
                while around is not loop and stays:
                    stays = not any(isinstance(n, ast.Return | ast.Break | ast.Raise) for n in _after(module, around))
                    around = module.parent(around) or loop
                if stays:
                    return True
        return False

    def _in_function(self, subject: Subject, module: Module, function: Function) -> Iterator[Finding]:
        for loop in walk(function):
            if not isinstance(loop, ast.For | ast.While) or any(
                isinstance(a, ast.For | ast.While) for a in module.ancestors(loop)
            ):
                continue
            inside = list(walk(loop))
            if not any(isinstance(n, ast.Attribute) and n.attr == "backward" for n in inside):
                continue
            back = {ast.unparse(n.value) for n in inside if isinstance(n, ast.Attribute) and n.attr == "train"}
            for node in inside:
                if not (
                    isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "eval"
                ):
                    continue
                owner = node.func.value
                if not isinstance(owner, ast.Name) or owner.id in back or node.args:
                    continue
                trained = any(
                    isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == owner.id for n in inside
                )
                leaves = any(isinstance(n, ast.Return | ast.Break) for n in _after(module, node))
                if (
                    trained
                    and not leaves
                    and not self._given_away(subject, module, inside, owner.id)
                    and self._made_outside(loop, owner.id)
                ):
                    yield self.at(
                        module,
                        node,
                        f"{owner.id}.eval() in the training loop is never followed by {owner.id}.train()",
                        f"call {owner.id}.train() before the next batch is trained on",
                    )

    @staticmethod
    def _given_away(subject: Subject, module: Module, inside: list[ast.AST], name: str) -> bool:
        """Return whether the loop hands the model to a function that may switch it back."""
        for node in inside:
            if isinstance(node, ast.Call) and any(isinstance(a, ast.Name) and a.id == name for a in node.args):
                dotted = module.dotted(node.func)
                found = subject.find(dotted) if dotted else None
                if found is not None and any(
                    isinstance(n, ast.Attribute) and n.attr == "train" for n in walk(found[1])
                ):
                    return True
        return False

    @staticmethod
    def _made_outside(loop: ast.For | ast.While, name: str) -> bool:
        return not any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in walk(loop))


def _after(module: Module, node: ast.AST) -> Iterator[ast.AST]:
    """Yield what follows in the block of a statement."""
    statement = module.statement(node)
    around = module.parent(statement) if statement is not None else None
    block = getattr(around, "body", [])
    if isinstance(block, list) and statement in block:
        yield from block[block.index(statement) + 1 :]


def _optimized(call: ast.Call) -> str | None:
    """Return the name whose parameters an optimizer is made over."""
    first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "params"), None)
    for node in walk(first) if first is not None else ():
        if isinstance(node, ast.Attribute) and node.attr in ("parameters", "named_parameters"):
            return node.value.id if isinstance(node.value, ast.Name) else None
    return None


def _is_bare_call(module: Module, node: ast.Attribute) -> bool:
    call = module.parent(node)
    return isinstance(call, ast.Call) and call.func is node and not call.args and not call.keywords


def _reached(flow: Flow, module: Module, loop: ast.AST) -> set[ast.AST]:
    """Return the nodes of a loop and of every function of the experiment that it calls, directly or not."""
    found: set[ast.AST] = set()
    waiting: list[tuple[Module, ast.AST]] = [(module, loop)]
    entered: set[ast.AST] = set()
    while waiting:
        home, part = waiting.pop()
        for node in walk(part):
            found.add(node)
            target = flow.target(home, node) if isinstance(node, ast.Call) else None
            if target is not None and target[1] not in entered:
                entered.add(target[1])
                waiting.append(target)
    return found
