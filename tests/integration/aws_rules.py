"""What AWS does and moto does not: refusals, as hooks of a client, and atomic writes.

Source: the DynamoDB developer guide (expressions, limits), the DynamoDB API (`TransactWriteItems`), and the
S3 API (`CopyObject`).
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any, Final
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

ITEM_LIMIT_BYTES: Final = 400 * 1024
_KEY_LIMIT_BYTES: Final = 2048
_TRANSACTION_LIMIT: Final = 100
_EXPRESSIONS: Final = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_SYNTAX: Final = {"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN"}
_INDEX_KEYS: Final = {"work": "S", "since_ms": "N"}


class RefusedByAwsError(AssertionError):
    """AWS would answer `ValidationException`."""


def refuse_invalid_requests(client: Any) -> None:
    """Have a DynamoDB client raise `RefusedByAwsError` for what DynamoDB refuses and moto accepts."""

    def check_request(params: dict[str, Any], model: Any, **_: object) -> None:
        if model.name == "TransactWriteItems":
            _check_transaction(params["TransactItems"])
        else:
            check_operation(params)

    def check_answer(parsed: dict[str, Any], **_: object) -> None:
        for name in ("Attributes", "Item"):
            _check_size(parsed.get(name, {}))

    client.meta.events.register("before-parameter-build.dynamodb.*", check_request, __name__)
    client.meta.events.register("after-call.dynamodb.*", check_answer, __name__)


def honour_copy_conditions(client: Any) -> None:
    """Have an S3 client honour `CopySourceIfMatch`, which moto ignores."""

    def answer(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]] | None:
        headers = params["headers"]
        bucket, _slash, key = unquote(headers["x-amz-copy-source"]).partition("/")
        try:
            etag = client.head_object(Bucket=bucket, Key=key)["ETag"]
        except ClientError:
            # Moto answers that the object is missing.
            return None
        if headers.get("x-amz-copy-source-if-match", etag).strip('"') == etag.strip('"'):
            return None
        return _Refusal(), {"Error": {"Code": "PreconditionFailed", "Message": ""}, "ResponseMetadata": {}}

    client.meta.events.register("before-call.s3.CopyObject", answer, __name__)


@contextmanager
def serialise_requests() -> Iterator[None]:
    """Have moto answer one request at a time: writes to an item are atomic in DynamoDB, but not in moto."""
    answer, lock = BotocoreStubber.__call__, threading.RLock()

    def answer_alone(*args: Any, **kwargs: Any) -> object:
        with lock:
            return answer(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "__call__", answer_alone)
        yield


class _Refusal:
    status_code = 412


def check_operation(params: dict[str, Any]) -> None:
    """Check one read or write.

    Raises
    ------
    RefusedByAwsError
        DynamoDB refuses it.
    """
    for keyed in (params.get("Key", {}), params.get("Item", {})):
        _check_key(keyed.get("pk"))
    _check_item(params.get("Item", {}))
    expressions = [params[name] for name in _EXPRESSIONS if name in params]
    _check_placeholders("#", params.get("ExpressionAttributeNames"), expressions)
    _check_placeholders(":", params.get("ExpressionAttributeValues"), expressions)
    for expression in expressions:
        for word in re.findall(r"(?<![#:\w])[A-Za-z_]\w*(?!\w*\()", expression):
            _refuse_if(
                word not in _SYNTAX and word.upper() in ReservedKeywords.get_reserved_keywords(),
                f"{word} is a reserved word",
            )
    if "UpdateExpression" in params:
        _check_update(
            params["UpdateExpression"],
            params.get("ExpressionAttributeNames", {}),
            params.get("ExpressionAttributeValues", {}),
        )


def _check_transaction(writes: list[dict[str, Any]]) -> None:
    _refuse_if(not 0 < len(writes) <= _TRANSACTION_LIMIT, "a transaction has 1 to 100 operations")
    operations = [operation for write in writes for operation in write.values()]
    keys = [(operation.get("Key") or operation["Item"])["pk"]["S"] for operation in operations]
    _refuse_if(len(set(keys)) < len(keys), "a transaction has two operations on one item")
    for operation in operations:
        check_operation(operation)


def _check_key(key: dict[str, str] | None) -> None:
    if key is not None:
        size = len(key["S"].encode())
        _refuse_if(not 0 < size <= _KEY_LIMIT_BYTES, "a key has 1 to 2,048 bytes")


def _check_item(item: dict[str, Any]) -> None:
    for name, kind in _INDEX_KEYS.items():
        _refuse_if(name in item and not item[name].get(kind), f"{name} is not a key of type {kind}")
    _check_size(item)


def _check_size(item: dict[str, Any]) -> None:
    _refuse_if(measure_item(item) > ITEM_LIMIT_BYTES, "an item has at most 400 KB")


def _check_placeholders(mark: str, defined: dict[str, Any] | None, expressions: list[str]) -> None:
    used = set(re.findall(rf"{mark}\w+", " ".join(expressions)))
    _refuse_if(defined == {}, f"placeholders ({mark}) are empty")
    _refuse_if(
        used != set(defined or {}), f"placeholders {used ^ set(defined or {})} are unused or undefined"
    )


def _check_update(expression: str, names: dict[str, str], values: dict[str, Any]) -> None:
    paths = list[tuple[str, ...]]()
    clauses = re.split(r"\b(SET|REMOVE|ADD|DELETE)\b", expression)[1:]
    _refuse_if(len(set(clauses[::2])) < len(clauses[::2]), "an update has a clause twice")
    for clause, text in zip(clauses[::2], clauses[1::2], strict=True):
        for action in _split_actions(text):
            target = action.split("=")[0].split()[0]
            path = tuple(names.get(part, part) for part in target.split("."))
            paths.append(path)
            if clause in {"ADD", "DELETE"}:
                _refuse_if(len(path) > 1, f"{clause} works on top-level attributes only")
                kind = next(iter(values[action.split()[1]]))
                _refuse_if(kind not in {"N", "SS", "NS", "BS"}, f"{clause} takes a number or a set")
    _refuse_if(any(path[0] == "pk" for path in paths), "an update changes the key")
    for one, other in combinations(paths, 2):
        shorter = min(len(one), len(other))
        _refuse_if(one[:shorter] == other[:shorter], f"paths {one} and {other} overlap")


def _split_actions(text: str) -> Iterator[str]:
    """Yield the actions of a clause; commas inside parentheses separate arguments."""
    return (action.strip() for action in re.split(r",(?![^(]*\))", text))


def _refuse_if(broken: bool, rule: str) -> None:  # noqa: FBT001 - a condition, as in `if`
    if broken:
        raise RefusedByAwsError(rule)


def measure_item(item: dict[str, Any]) -> int:
    """Return the size of an item in bytes, as DynamoDB counts it."""
    return sum(len(name.encode()) + _measure(value) for name, value in item.items())


def _measure(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return (len(content.strip("-").replace(".", "")) + 1) // 2 + 1
        case "SS":
            return sum(len(text.encode()) for text in content)
        case "L":
            return 3 + sum(1 + _measure(inner) for inner in content)
        case "M":
            return 3 + sum(len(name.encode()) + 1 + _measure(inner) for name, inner in content.items())
    return 1
