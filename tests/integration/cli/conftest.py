import threading
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.integration.cli.fake_api import FakeApi
from tests.integration.cli.stand import AWS_REGION, Stand


@pytest.fixture(scope="module")
def _session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session("test-key-id", "test-key-secret", region_name=AWS_REGION)


@pytest.fixture
def stand(_session: boto3.Session) -> Stand:
    """A stack of its own in moto."""
    return Stand(_session)


@pytest.fixture
def api(stand: Stand) -> Iterator[FakeApi]:
    fake = FakeApi()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.01,))
    thread.start()
    stand.change_stack(api_url=f"{fake.url}/live")
    yield fake
    fake.server.shutdown()
    thread.join()
    fake.server.server_close()
