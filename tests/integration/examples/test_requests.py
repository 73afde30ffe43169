"""The requests to copy, against an API on loopback that refuses them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.template import ROOT
from tests.factories.photos import make_portrait
from tests.fakes.api import FakeApi, run_fake_api

REQUESTS = ROOT / "examples" / "requests"
PROBLEM = {"code": "not_an_image", "detail": "The source photo: this is no image."}
ENDED = {"id": "c-1", "state": "completed", "result": {"verdict": "match"}}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with run_fake_api() as fake:
        yield fake


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    for name in ("source.jpg", "target.jpg"):
        (tmp_path / name).write_bytes(make_portrait(name))
    return [str(tmp_path / "source.jpg"), str(tmp_path / "target.jpg")]


def run(api: FakeApi, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if name.endswith(".sh") and not all(map(shutil.which, ("curl", "jq"))):
        pytest.skip("Install curl and jq (`apt-get install curl jq`) to run the requests of the shell.")
    program = [sys.executable] if name.endswith(".py") else ["/bin/bash"]
    environment = {
        "API_URL": api.url,
        "AWS_REGION": "ap-southeast-1",
        "AWS_ACCESS_KEY_ID": "key-id",
        "AWS_SECRET_ACCESS_KEY": "key-secret",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    return subprocess.run(
        [*program, str(REQUESTS / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", ["compare.sh", "compare.py", "upload.sh"])
def test_a_refusal_is_printed_with_its_reason(api: FakeApi, photos: list[str], name: str) -> None:
    api.answers = [(422, PROBLEM)]

    ran = run(api, name, *photos, "order-1")

    assert ran.returncode != 0
    assert PROBLEM["detail"] in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("name", ["compare.sh", "compare.py"])
@pytest.mark.parametrize("region", [None, "hong-kong"])
def test_the_region_is_an_argument(api: FakeApi, photos: list[str], name: str, region: str | None) -> None:
    api.answers = [(200, ENDED)]

    ran = run(api, name, *photos, "order-1", *([region] if region else []))

    assert ran.stdout == "match\n", ran.stderr
    assert json.loads(api.requests[0][2]).get("region") == region
