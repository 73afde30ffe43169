"""Clients of AWS that give answers which were laid down before."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.stub import Stubber

AWS_REGION = "ap-southeast-1"


@cache
def _make_session() -> boto3.Session:
    """Make the one session: it reads the model of a service once."""
    return boto3.Session("key-id", "key-secret", region_name=AWS_REGION)


def make_client(service: Any, *answers: tuple[str, Mapping[str, Any], Mapping[str, Any]]) -> Any:
    """Return a client that expects these operations, in order: name, parameters, answer."""
    client: Any = _make_session().client(service)
    stubber = Stubber(client)
    for operation, parameters, answer in answers:
        stubber.add_response(operation, dict(answer), dict(parameters))
    stubber.activate()
    return client
