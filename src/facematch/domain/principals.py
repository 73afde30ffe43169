"""Who signed a request, by the one name that a principal has here.

Source: the IAM user guide, IAM identifiers. API Gateway names whoever assumed a role by that session, an
operator by the role itself, which in IAM has a path as well. The names of roles are unique in an account.
"""

import re
from typing import Final

_SESSION: Final = re.compile(r"(arn:[^:]+):sts::([0-9]{12}):assumed-role/([^/]+)(?:/.*)?")
_ROLE: Final = re.compile(r"(arn:[^:]+):iam::([0-9]{12}):role/(?:.*/)?([^/]+)")


def name_principal(arn: str) -> str:
    """Return the ARN that stands for a principal: of a role and all of its sessions the same."""
    match = _SESSION.fullmatch(arn) or _ROLE.fullmatch(arn)
    if match is None:
        return arn
    partition, account, role = match.groups()
    return f"{partition}:sts::{account}:assumed-role/{role}"


def name_caller(arn: str, cognito_identity_id: str | None) -> str:
    """Return the name of who signed a request: the principal, or the user of a Cognito identity pool.

    All users of a pool sign as sessions of one role; the id of a user's identity is unique. Source: API
    Gateway developer guide, `$context.identity.cognitoIdentityId`.
    """
    return cognito_identity_id or name_principal(arn)


def parse_principals(text: str) -> frozenset[str]:
    """Return the principals whose ARNs `text` lists, with commas between them."""
    return frozenset(name_principal(arn.strip()) for arn in text.split(","))
