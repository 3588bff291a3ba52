"""What functions of Python's own libraries do to paths, lists and bound arguments."""

from __future__ import annotations

import ast

from greenlight.review.engines.config_omegaconf import OmegaConfCalls
from greenlight.review.engines.config_values import (
    HOLE,
    MISSING,
    Const,
    Env,
    Fn,
    Ref,
    Seq,
    Value,
)
from greenlight.review.module import UNKNOWN


class LibraryCalls(OmegaConfCalls):
    """Follows functions of the standard library and of Hydra."""

    def _joined_path(self, node: ast.Call, env: Env) -> Value:
        parts, _ = self._arguments(node, env)
        texts = []
        for row in zip(*(self.values_of(part) for part in parts), strict=True):
            text = ""
            for item in row:
                piece = item if isinstance(item, str) else HOLE
                text = piece if not text or piece.startswith("/") else f"{text.rstrip('/')}/{piece}"
            texts.append(text)
        for part in parts:
            self.use(part)
        return Const(tuple(texts))

    def _absolute(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        self.use(args[0] if args else None)
        texts = self.values_of(args[0] if args else None)
        return Const(tuple(f"{HOLE}/{text}" if isinstance(text, str) else HOLE for text in texts))

    def _dict_call(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        if len(args) == 1 and not kwargs and isinstance(args[0], Ref) and self.is_node(args[0]):
            return Ref(args[0].root.copy(args[0].path, plain=True, struct=False), ())
        if not args and kwargs:
            return Seq(tuple(kwargs.values()), tuple(kwargs))
        for value in (*args, *kwargs.values()):
            self.leak(value)
        return None

    def _listed(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        for value in args:
            self.escape(value)
            self.use(value)
        return args[0] if len(args) == 1 and isinstance(args[0], Ref) and not self.is_node(args[0]) else None

    def _partial(self, node: ast.Call, env: Env) -> Value:
        args, kwargs = self._arguments(node, env)
        if args and isinstance(args[0], Fn):
            inner = args[0]
            return Fn(inner.node, inner.env, (*inner.args, *args[1:]), (*inner.kwargs, *kwargs.items()))
        for value in (*args, *kwargs.values()):
            self.leak(value)
        return None

    def _setdefault_environment(self, node: ast.Call, env: Env) -> Value:
        args, _ = self._arguments(node, env)
        for s in self.active if len(args) > 1 else ():
            name = self.values_of(args[0])[s]
            if isinstance(name, str) and self.environment.get(name, [MISSING] * len(self.scenarios))[s] is MISSING:
                self.set_environment(s, name, UNKNOWN)
        return None
