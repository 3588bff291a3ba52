"""The GraphQL endpoint: a real schema and a real executor, so whatever the client selects of it is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from inspect import signature
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    execute,
    parse,
    validate,
)

from . import change_artifacts, change_runs, resolve_artifacts, resolve_runs
from .runs import RefusedError
from .services import Services

MAX_TOKENS: Final = 5000


@dataclass(frozen=True)
class Caller:
    """What resolvers see of a request."""

    services: Services
    base: str
    """The address that the client reached the tracker under, for instance ``http://127.0.0.1:8080``."""


@dataclass(frozen=True)
class Answer:
    """An HTTP status and a JSON body."""

    status: int
    body: bytes


@cache
def schema() -> GraphQLSchema:
    """Return the schema with its resolvers."""
    built = build_schema(files(__package__).joinpath("schema.graphql").read_text("utf-8"))
    for table in (resolve_runs.FIELDS, resolve_artifacts.FIELDS, change_runs.FIELDS, change_artifacts.FIELDS):
        for type_name, fields in table.items():
            kind = built.get_type(type_name)
            assert isinstance(kind, GraphQLObjectType)
            for field_name, resolver in fields.items():
                kind.fields[field_name].resolve = _speaking(resolver)
    for name, check in (("Int64", _int64), ("JSONString", _text)):
        scalar = built.get_type(name)
        assert isinstance(scalar, GraphQLScalarType)
        scalar.parse_value = check  # type: ignore[method-assign] # the way graphql-core has for a schema from text
    collection = built.get_type("ArtifactCollection")
    assert isinstance(collection, GraphQLInterfaceType)
    collection.resolve_type = lambda *_: "ArtifactSequence"
    return built


def _int64(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise GraphQLError(f"Int64: {str(value)[:40]!r} is no integer of 64 bits")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError("JSONString: takes JSON as a string")
    return value


def _speaking(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Let a resolver take (object), or (object, caller, **arguments) with the schema's names in Python's spelling."""
    alone = len(signature(resolver).parameters) == 1 and "*" not in str(signature(resolver))

    def resolve(source: Any, info: GraphQLResolveInfo[Caller], **arguments: Any) -> Any:
        if alone:
            return resolver(source)
        return resolver(source, info.context, **{_python(name): value for name, value in arguments.items()})

    return resolve


def _plain_field(source: Any, info: GraphQLResolveInfo[Caller], **_: Any) -> Any:
    if isinstance(source, Mapping):
        return source.get(info.field_name)
    return getattr(source, _python(info.field_name), None)


@lru_cache(maxsize=1024)
def _python(name: str) -> str:
    # "id" and "input" are Python's own
    return {"id": "node", "input": "values"}.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@lru_cache(maxsize=512)
def _document(query: str) -> DocumentNode | tuple[GraphQLError, ...]:
    try:
        document = parse(query, max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        return (error,)
    errors = validate(schema(), document)
    return tuple(errors) if errors else document


def answer(caller: Caller, body: bytes) -> Answer:
    """Execute one GraphQL request.

    Parameters
    ----------
    caller
        The store and the address that the client used.
    body
        The JSON body: ``query``, ``variables`` and ``operationName``, which the client sends empty.
    """
    try:
        request = json.loads(body)
        query = request["query"]
        variables = request.get("variables") or {}
        if not isinstance(query, str) or not isinstance(variables, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _errors(400, ["graphql: the body is a JSON object with 'query' and 'variables'"])
    document = _document(query)
    if isinstance(document, tuple):
        return _errors(400, [error.message for error in document])
    result = execute(
        schema(),
        document,
        context_value=caller,
        variable_values=variables,
        operation_name=request.get("operationName") or None,
        field_resolver=_plain_field,
    )
    assert isinstance(result, ExecutionResult)  # every resolver is a plain function
    errors = result.errors
    if errors:
        for error in errors:
            cause = error.original_error
            if cause is not None and not isinstance(cause, (RefusedError, GraphQLError)):
                raise cause
        # 200 as GraphQL has it: the client retries most other statuses, and asking again changes nothing here
        return _errors(400 if any(error.path is None for error in errors) else 200, [error.message for error in errors])
    payload = {"data": result.data}
    return Answer(200, json.dumps(payload, allow_nan=False, separators=(",", ":")).encode())


def _errors(status: int, messages: list[str]) -> Answer:
    return Answer(status, json.dumps({"errors": [{"message": message} for message in messages]}).encode())
