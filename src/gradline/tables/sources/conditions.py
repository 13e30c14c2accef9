"""What a condition on rows may be: an SQL expression over the row's columns.

DuckDB's own parser reads the text, and the tree it gives is looked through: a condition can thus come from somebody who may choose rows but
read nothing else. Queries are for those who may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from gradline.base.errors import DataError
from gradline.base.words import nearest
from gradline.tables.sources.connections import own_connection

EXPRESSIONS = frozenset({"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION"}) | {
    *("LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "TYPE")
}
"""The classes of expression whose value depends on the row alone."""

OF_THE_SESSION = frozenset({"current_catalog", "current_database", "current_query", "current_query_id", "current_role", "getenv"}) | {
    *("current_schema", "current_schemas", "current_setting", "current_user", "getvariable", "in_search_path", "session_user", "user"),
    *("current_connection_id", "current_transaction_id", "currval", "get_block_size", "txid_current"),
}
"""Functions that tell of the session and not of the row."""

TAKES_SQL = frozenset({"json_deserialize_sql", "json_serialize_plan", "json_serialize_sql"})
"""Functions of text that is a query: planning one opens the files it names, and its error tells what their columns are."""

_PLACES = ("query_location", "query_location_length")


def checked(where: str) -> str:
    """The condition in brackets, as SQL takes it. Raises ValueError for anything but one expression over the row's columns."""
    text = f"(\n{where.rstrip().rstrip(';')}\n)"
    problem = _problem(_expression(text), frozenset())
    if problem:
        raise DataError(f"a condition is an expression over the columns of one row, and this one {problem}; query= takes any SELECT")
    return text


def _expression(text: str) -> dict[str, Any]:
    """The syntax tree of one expression. Raises ValueError for text that is none."""
    found = _parsed(text)
    if found["error"]:
        raise DataError(_of_the_condition(found["error_message"]))
    statements = [dict(statement["node"]) for statement in found["statements"]]
    expressions = statements[0].pop("select_list", [])
    (plain,) = (dict(statement["node"]) for statement in _parsed("(true)")["statements"])
    plain.pop("select_list")
    if len(statements) != 1 or len(expressions) != 1 or _without_places(statements[0]) != _without_places(plain):
        raise DataError("a condition is one expression over the columns of one row; query= takes any SELECT")
    expression: dict[str, Any] = expressions[0]
    if expression.get("function_name") == "row" and not expression.get("arguments", expression.get("children")):
        raise DataError("the condition is empty; leave it out")
    return expression


def _of_the_condition(message: str) -> str:
    """DuckDB's message, where it speaks of the bracket in which the condition was put."""
    if 'at or near ")"' in message:
        return "syntax error: it ends too early, or a bracket closes that was not opened"
    return message


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    (answer,) = own_connection().execute("SELECT json_serialize_sql(?)", [f"SELECT {text}"]).fetchall()
    found: dict[str, Any] = json.loads(answer[0])
    return found


def _problem(tree: Any, within: frozenset[str]) -> str:
    """What is in the tree that depends on more than the row; empty for nothing. within: the macros whose definition this is."""
    for part in _parts(tree):
        kind = part["class"]
        if kind == "SUBQUERY":
            return "holds a subquery"
        if kind not in EXPRESSIONS:
            return f"holds what SQL calls a {kind.lower()} expression"
        if kind == "FUNCTION":
            problem = _of_function(str(part["function_name"]).lower(), within)
            if problem:
                return problem
    return ""


def _of_function(name: str, within: frozenset[str]) -> str:
    kinds, stabilities, definitions = _functions().get(name, (frozenset(), frozenset(), ()))
    if name in OF_THE_SESSION:
        return f"calls {name}(), which tells of the session"
    if name in TAKES_SQL:
        return f"calls {name}(), which takes a query"
    if not kinds:
        near = nearest(name, _functions())
        return f"calls {name}(), which is no function of DuckDB's" + (f" (did you mean {near[0]}?)" if near else "")
    if not kinds & {"scalar", "macro", "aggregate"}:
        return f"calls {name}(), which gives rows and not a value"
    if "VOLATILE" in stabilities:
        return f"calls {name}(), which gives another value at each reading of the rows"
    if name in within:
        return ""
    problems = (_problem(_expression(f"({definition})"), within | {name}) for definition in definitions)
    return next((f"calls {name}(), which {problem}" for problem in problems if problem), "")


@cache
def _functions() -> dict[str, tuple[frozenset[str], frozenset[str], tuple[str, ...]]]:
    """DuckDB's own functions: what kinds each is, how stable its values are, and its definitions where it is a macro."""
    rows = own_connection().sql(
        "SELECT lower(function_name), list(DISTINCT function_type), list(DISTINCT stability) FILTER (stability IS NOT NULL),"
        " list(DISTINCT macro_definition) FILTER (function_type = 'macro') FROM duckdb_functions() GROUP BY ALL"
    )
    return {
        name: (frozenset(kinds), frozenset(stabilities or ()), tuple(sorted(definitions or ())))
        for name, kinds, stabilities, definitions in rows.fetchall()
    }


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every expression in a tree, itself included."""
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for value in tree.values():
            yield from _parts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _parts(value)


def _without_places(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_places(value) for key, value in tree.items() if key not in _PLACES}
    return [_without_places(value) for value in tree] if isinstance(tree, list) else tree
