"""Compare two photo files: python compare.py selfie.jpg passport.png order-4711 [REGION]."""

import base64
import json
import os
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

credentials = boto3.Session().get_credentials() or sys.exit("There are no AWS credentials.")
signature = SigV4Auth(credentials, "execute-api", os.environ["AWS_REGION"])
http = URLLib3Session(timeout=30)


def request(
    method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Send one signed request, and return the JSON of the response."""
    signed = AWSRequest(method, os.environ["API_URL"] + path, headers, json.dumps(body) if body else None)
    signature.add_auth(signed)
    response = http.send(signed.prepare())
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        sys.exit(response.text)
    document: dict[str, Any] = json.loads(response.content)
    return document


source, target, key, *region = sys.argv[1:]
photos = {
    role: {"photo": base64.b64encode(Path(photo).read_bytes()).decode()}
    for role, photo in (("source", source), ("target", target))
}
headers = {"Content-Type": "application/json", "Idempotency-Key": key}
pair = {"region": region[0], **photos} if region else photos
comparison = request("POST", "/v1/comparisons", pair, headers)
while comparison["state"] == "registered":  # 202: the comparison continues.
    time.sleep(2)
    comparison = request("GET", f"/v1/comparisons/{comparison['id']}")
print(comparison["result"]["verdict"])
