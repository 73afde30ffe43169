"""Web identity tokens, signed here with keys made here."""

import base64
import json
import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

ISSUER = "https://00000000-0000-0000-0000-000000000000.tokens.sts.global.api.aws"
SUBJECT = "arn:aws:iam::123456789012:role/facematch-compare"
AUDIENCE = "sts.aliyuncs.com"


@cache
def make_key(_owner: str = "issuer") -> RSAPrivateKey:
    """Make a key, always the same one for an owner; short, because that is quick."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def make_claims(now_s: float | None = None, **changes: Any) -> dict[str, Any]:
    """Make claims as AWS STS writes them; a change to None leaves one out."""
    issued_at_s = int(time.time() if now_s is None else now_s)
    claims = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": AUDIENCE,
        "iat": issued_at_s,
        "exp": issued_at_s + 60,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def make_token(claims: object = None, *, key: RSAPrivateKey | None = None, algorithm: str = "RS256") -> str:
    signed = ".".join(
        encode(json.dumps(part).encode())
        for part in (
            {"alg": algorithm, "typ": "JWT", "kid": "1"},
            make_claims() if claims is None else claims,
        )
    )
    return f"{signed}.{encode((key or make_key()).sign(signed.encode(), PKCS1v15(), SHA256()))}"


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
