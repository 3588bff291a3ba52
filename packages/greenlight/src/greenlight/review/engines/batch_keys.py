"""Which columns a data set has at each point, which keys its batches get, and which are read from them.

A small interpreter follows ``load_dataset`` -> ``map`` -> ``DataLoader`` -> ``for batch in loader`` through names,
tuples and the experiment's own functions, statement by statement. Whatever it does not know for sure makes the columns
*open*: any key may be there then, and no rule says anything about it.
"""

from __future__ import annotations

import ast

from greenlight.review.engines.batch_loaders import Loaders
from greenlight.review.engines.batch_values import Columns, Data, Loader, Own, Read, Row
from greenlight.review.module import Function, Module
from greenlight.review.subject import Subject

__all__ = ["BatchKeys", "Columns", "Data", "Loader", "Read", "Row"]


class BatchKeys(Loaders):
    """What is read from rows and batches whose keys are known.

    Parameters
    ----------
    subject
        The experiment.

    Attributes
    ----------
    reads
        Every read of a constant key from a row or batch that the interpreter followed.
    loaders
        Every ``DataLoader`` that it saw being made, by its call.
    measured
        Every ``len(...)`` of a data set or loader, with what it is asked of.
    generated
        Every call of ``generate`` with what its ``input_ids`` is read from: key and batch.
    """

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        if not self._data_sets.loaded:
            return
        tops: list[tuple[Module, Function]] = []
        for module in subject.code:
            tops += [(module, f) for f in module.functions if isinstance(module.parent(f), ast.Module)]
        # Whoever calls others first; those that nobody reached get their own turn.
        named = {module.dotted(n.func) for module in subject.code for n in module.nodes if isinstance(n, ast.Call)}
        for module, function in reversed(tops):
            if f"{module.name}.{function.name}" not in named:
                self._run(module, function, {})
        for module, function in tops:
            if function not in self._called:
                self._run(module, function, {})
        for module in subject.code:
            for owner in module.classes:
                own = [n for n in owner.body if isinstance(n, ast.FunctionDef) and n not in self._called]
                for method in own:
                    if method.args.args and not method.decorator_list:
                        self._run(module, method, {method.args.args[0].arg: Own(module, owner)})
