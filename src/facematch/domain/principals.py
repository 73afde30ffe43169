"""The callers of the API, each under one name.

API Gateway reports the session of a role. In settings, an operator names the role itself, possibly with a
path. Role names are unique in an account, so both map to the same name. Source: the IAM user guide, IAM
identifiers.
"""

import re
from typing import Final

_SESSION: Final = re.compile(r"(arn:[^:]+):sts::([0-9]{12}):assumed-role/([^/]+)(?:/.*)?")
_ROLE: Final = re.compile(r"(arn:[^:]+):iam::([0-9]{12}):role/(?:.*/)?([^/]+)")


def name_principal(arn: str) -> str:
    """Return the name of a principal: the same ARN for a role and all of its sessions."""
    match = _SESSION.fullmatch(arn) or _ROLE.fullmatch(arn)
    if match is None:
        return arn
    partition, account, role = match.groups()
    return f"{partition}:sts::{account}:assumed-role/{role}"


def name_caller(arn: str, cognito_identity_id: str | None) -> str:
    """Return the caller's name: its Cognito identity, or its principal without one.

    All users of an identity pool sign with sessions of one role, but each has its own identity id. Source:
    API Gateway developer guide, `$context.identity.cognitoIdentityId`.
    """
    return cognito_identity_id or name_principal(arn)


def parse_principals(text: str) -> frozenset[str]:
    """Return the names of the principals in a comma-separated list of ARNs."""
    return frozenset(name_principal(arn.strip()) for arn in text.split(","))
