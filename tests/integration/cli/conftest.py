from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.fakes.api import FakeApi, run_fake_api
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.cli.environment import CliEnvironment


@pytest.fixture(scope="module")
def _session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session("test-key-id", "test-key-secret", region_name=AWS_REGION)


@pytest.fixture
def cli(_session: boto3.Session) -> CliEnvironment:
    """A stack of its own in moto."""
    return CliEnvironment(_session)


@pytest.fixture
def api(cli: CliEnvironment) -> Iterator[FakeApi]:
    with run_fake_api() as fake:
        cli.change_stack(api_url=f"{fake.url}/live")
        yield fake
