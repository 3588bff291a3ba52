"""Which local names can be read before anything is assigned to them.

Each function and the module itself are followed statement by statement with two sets: the names that are bound on
every way to a statement, and those that are bound on some way. A loop's body may follow itself; a handler may follow
any part of its ``try``. Both sets err towards "bound".
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from greenlight.review.engines.names import BUILTINS, FileNames, Names, Space
from greenlight.review.engines.statements import (
    ENDS,
    binds_directly,
    bodies,
    exits,
    falls_through,
    leaves,
    races_the_clock,
    read_in,
)
from greenlight.review.module import Module, walk
from greenlight.review.subject import Subject

Cause: TypeAlias = Literal["never", "while", "if", "try"]
_LAZY = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)


@dataclass(frozen=True)
class UnboundRead:
    """A name that is read where nothing is assigned to it (``never``), or only where a block above was executed."""

    module: Module
    name: ast.Name
    cause: Cause
    block: ast.stmt | None = None


@dataclass
class _State:
    sure: set[str]
    some: set[str]
    reachable: bool = True

    def copy(self) -> _State:
        return _State(set(self.sure), set(self.some), self.reachable)


def _join(states: Iterable[_State]) -> _State:
    alive = [state for state in states if state.reachable]
    if not alive:
        return _State(set(), set(), reachable=False)
    return _State(set.intersection(*(s.sure for s in alive)), set.union(*(s.some for s in alive)))


class BindingFlow:
    """The reads of unbound local names in every file."""

    def __init__(self, subject: Subject) -> None:
        self.unbound: list[UnboundRead] = []
        for names in subject.derived(Names).files:
            if names.is_open:
                continue
            reaching = Counter(name for space in names.spaces for name in space.outside)
            for space in names.spaces:
                if space.kind in ("function", "module") and not isinstance(space.node, ast.Lambda):
                    self.unbound.extend(_Walk(names, space, reaching).found)


class _Walk:
    def __init__(self, names: FileNames, space: Space, reaching: Counter[str]) -> None:
        self.names, self.space, self.module = names, space, names.module
        self.local = {name for name in space.bound if name not in space.outside}
        given = {n for n, nodes in space.bound.items() if any(isinstance(node, ast.arg) for node in nodes)}
        self.found: list[UnboundRead] = []
        self._loops: list[list[_State]] = []
        self._told: set[str] = set()
        body = space.node.body  # type: ignore[attr-defined]
        # What other functions bind here by nonlocal or global is bound at a time that this walk does not see.
        own = set(space.outside)
        self.elsewhere = {name for name in self.local if reaching[name] > (name in own)}
        self._block(body, _State(set(given), set(given)))

    # -- statements --------------------------------------------------------------------------------------------

    def _block(self, body: Sequence[ast.stmt], state: _State) -> _State:
        for statement in body:
            if not state.reachable:
                return state
            state = self._statement(statement, state)
        return state

    def _statement(self, node: ast.stmt, state: _State) -> _State:
        if isinstance(node, ast.If):
            self._expression(node.test, state)
            return _join([self._block(node.body, state.copy()), self._block(node.orelse, state.copy())])
        if isinstance(node, ast.While | ast.For | ast.AsyncFor):
            return self._loop(node, state)
        if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            return self._try(node, state)  # type: ignore[arg-type]
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                self._expression(item.context_expr, state)
                if item.optional_vars is not None:
                    self._expression(item.optional_vars, state)
            # A context manager may swallow what is raised inside, so what follows is never out of reach.
            entry, bound = state.copy(), self._names_in([node])
            after = self._block(node.body, state)
            return after if after.reachable else _State(entry.sure | bound, entry.some | bound)
        if isinstance(node, ast.Match):
            return self._match(node, state)
        if isinstance(node, ast.AugAssign):
            self._expression(node.value, state)
            if isinstance(node.target, ast.Name):
                self._read(node.target, state)
            self._expression(node.target, state)
            return state
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            self._expression(node.value, state)
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._expression(node.target, state)
            return state
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in node.decorator_list:
                self._expression(part, state)
            self._bind(node.name, state)
            return state
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                self._bind(alias.asname or alias.name.partition(".")[0], state)
            return state
        for child in ast.iter_child_nodes(node):
            if not (isinstance(node, ast.Assign) and child is node.value):
                self._expression(child, state)
        if isinstance(node, ast.Break) and self._loops:
            self._loops[-1].append(state.copy())
        if isinstance(node, ENDS) or exits(node):
            return _State(set(), set(), reachable=False)
        return state

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, state: _State) -> _State:
        endless = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        if not isinstance(node, ast.While):
            self._expression(node.iter, state)
        inside = state.copy()
        inside.some |= self._names_in(node.body)
        if isinstance(node, ast.While):
            self._expression(node.test, inside)
        else:
            inside.some |= self._names_in([node.target])
            self._expression(node.target, inside)
        self._loops.append([])
        done = self._block(node.body, inside.copy())
        breaks = self._loops.pop()
        before = state.copy()
        before.some |= inside.some | done.some
        if endless:
            return _join(breaks)
        after = self._block(node.orelse, before) if node.orelse else before
        return _join([after, *breaks])

    def _try(self, node: ast.Try, state: _State) -> _State:
        before = state.copy()
        before.some |= self._names_in(node.body)
        ends = [self._block([*node.body, *node.orelse], state.copy())]
        for handler in node.handlers:
            inside = before.copy()
            if handler.type is not None:
                self._expression(handler.type, inside)
            if handler.name:
                self._bind(handler.name, inside)
            end = self._block(handler.body, inside)
            if handler.name:
                end.sure.discard(handler.name)
                end.some.discard(handler.name)
            ends.append(end)
        after = _join(ends)
        if node.finalbody:
            entry = before.copy()
            entry.some |= self._names_in([node])
            entry.sure |= after.sure if after.reachable else set()
            end = self._block(node.finalbody, entry)
            if not end.reachable or not after.reachable:
                return _State(set(), set(), reachable=False)
            after.sure |= end.sure
            after.some |= end.some & (self._names_in(node.finalbody) | after.some)
        return after

    def _match(self, node: ast.Match, state: _State) -> _State:
        self._expression(node.subject, state)
        ends, complete = [], False
        for case in node.cases:
            inside = state.copy()
            for part in walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self._bind(name, inside)
            if case.guard is not None:
                self._expression(case.guard, inside)
            complete = complete or (
                case.guard is None and isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern
            )
            ends.append(self._block(case.body, inside))
        return _join([*ends, *([] if complete else [state])])

    # -- names -------------------------------------------------------------------------------------------------

    def _expression(self, node: ast.AST, state: _State) -> None:
        # In order of the text; a target is bound after what is read in the same expression.
        stores: list[ast.Name] = []
        waiting = [node]
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.Name):
                if isinstance(part.ctx, ast.Load):
                    self._read(part, state)
                elif isinstance(part.ctx, ast.Del):
                    state.sure.discard(part.id)
                    state.some.discard(part.id)
                else:
                    stores.append(part)
            elif isinstance(part, ast.NamedExpr):
                self._bind(part.target.id, state)
                waiting.append(part.value)
            elif isinstance(part, _LAZY):
                continue
            elif isinstance(part, ast.ListComp | ast.SetComp | ast.DictComp):
                waiting.append(part.generators[0].iter)
                for inner in walk(part):
                    if isinstance(inner, ast.NamedExpr):
                        self._bind(inner.target.id, state)
            else:
                waiting.extend(reversed(list(ast.iter_child_nodes(part))))
        for name in stores:
            self._bind(name.id, state)

    def _bind(self, name: str, state: _State) -> None:
        state.sure.add(name)
        state.some.add(name)

    def _names_in(self, nodes: Iterable[ast.AST]) -> set[str]:
        found: set[str] = set()
        waiting = list(nodes)
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                found.add(part.id)
            elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(part.name)
                continue
            elif isinstance(part, ast.Lambda):
                continue
            elif isinstance(part, ast.alias):
                found.add(part.asname or part.name.partition(".")[0])
            elif isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                found.add(part.name)
            elif isinstance(part, ast.MatchMapping) and part.rest:
                found.add(part.rest)
            waiting.extend(ast.iter_child_nodes(part))
        return found

    def _read(self, name: ast.Name, state: _State) -> None:
        key = name.id
        if key not in self.local or key in state.sure or key in self.elsewhere or key in self._told:
            return
        if self.space.kind == "module" and (key.startswith("__") or key in BUILTINS):
            return
        if key not in state.some:
            self._told.add(key)
            self.found.append(UnboundRead(self.module, name, "never"))
            return
        found = self._cause(name)
        if found is not None:
            self._told.add(key)
            self.found.append(found)

    # -- reads that only some ways leave without a value ---------------------------------------------------------

    def _cause(self, name: ast.Name) -> UnboundRead | None:
        """Return the read with the block above that alone binds the name, where that block may not be executed."""
        chain: list[ast.AST] = [name, *self.module.ancestors(name)]
        bindings = self.space.bound[name.id]
        for below, around in itertools.pairwise(chain):
            for body in bodies(around):
                if below not in body:
                    continue
                position = body.index(below)
                for block in body[:position]:
                    if all(self._is_in(binding, block) for binding in bindings):
                        return self._judged(name, block, body, position, chain[: chain.index(below) + 1])
            if around is self.space.node:
                return None
        return None

    def _is_in(self, node: ast.AST, block: ast.stmt) -> bool:
        return node is block or any(around is block for around in self.module.ancestors(node))

    def _judged(
        self, name: ast.Name, block: ast.stmt, body: Sequence[ast.stmt], position: int, chain: list[ast.AST]
    ) -> UnboundRead | None:
        guards: list[ast.AST] = []
        for below, around in itertools.pairwise(chain):
            if isinstance(around, ast.If | ast.IfExp):
                if below is not around.test:
                    guards.append(around.test)
            elif isinstance(around, ast.BoolOp):
                if below is not around.values[0]:
                    guards.extend(around.values)
            elif isinstance(around, ast.Try | ast.Match | ast.comprehension | ast.ListComp):
                return None
        bound = self._names_in([block])
        between = body[body.index(block) + 1 : position]
        if isinstance(block, ast.While):
            mentioned = bound | read_in([block.test]) | {name.id}
            if read_in(guards) & mentioned or not races_the_clock(block.test):
                return None
            if any(leaves(statement) and read_in([statement]) & mentioned for statement in between):
                return None
            return UnboundRead(self.module, name, "while", block)
        if isinstance(block, ast.Try):
            if read_in(guards) & bound or any(leaves(statement) for statement in between):
                return None
            return UnboundRead(self.module, name, "try", block) if falls_through(block, name.id) else None
        if isinstance(block, ast.If) and not block.orelse and not guards:
            if any(isinstance(a, ast.For | ast.While | ast.AsyncFor) for a in self.module.ancestors(name)):
                return None
            if not any(binds_directly(s, name.id) for s in block.body):
                return None
            if any(leaves(statement) for statement in between) or self._was_decided(block):
                return None
            return UnboundRead(self.module, name, "if", block)
        return None

    def _was_decided(self, block: ast.If) -> bool:
        """Return whether something before a block already left for a condition on the same names."""
        names = read_in([block.test])
        for statement in walk(self.space.node):
            if (
                isinstance(statement, ast.If | ast.Assert)
                and statement is not block
                and leaves(statement)
                and read_in([statement.test]) & names
            ):
                return True
        return False
