import gc
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from facematch import bootstrap
from facematch.adapters.federated_credentials import FederatedCredentials
from facematch.adapters.secret_credentials import SecretCredentials
from facematch.domain.priority import Priority
from facematch.domain.regions import PROFILES, Region
from facematch.domain.verdict import Role
from facematch.handlers import compare
from harness.environment import read_environment
from tests.factories import CALLER

KNOWN = {
    "Ledger": "table",
    "Photos": "photos",
    **{
        f"{region.title().replace('-', '')}{priority.title()}Queue": f"{region}-{priority}"
        for region in Region
        for priority in Priority
    },
    "ResultsQueue": "results",
    "ProviderSecretArn": "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:provider",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "facematch",
}


@pytest.fixture(autouse=True)
def _fresh_wiring() -> Iterator[None]:
    forget_wiring()
    yield
    forget_wiring()


def forget_wiring() -> None:
    for made in vars(bootstrap).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def set_environment(
    monkeypatch: pytest.MonkeyPatch, aws_region: str = "ap-southeast-1", **changes: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    environment = read_environment(KNOWN | {"AWS::Region": aws_region})
    environment |= {"AWS_REGION": aws_region, "AWS_DEFAULT_REGION": aws_region}
    environment |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for name, value in (environment | changes).items():
        monkeypatch.setenv(name, value)


def test_a_worker_wires_what_its_threads_share_before_its_first_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, AWS_LAMBDA_FUNCTION_NAME="compare")

    importlib.reload(compare)
    gc.unfreeze()

    shared = (bootstrap.pair_comparer, bootstrap.comparison_queues, bootstrap.provider_eraser)
    assert [wired.cache_info().currsize for wired in shared] == [1, 1, 1]


@pytest.mark.parametrize("aws_region", sorted(profile.aws_region for profile in PROFILES.values()))
def test_upload_forms_lead_to_the_buckets_own_region(
    aws_region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, aws_region)

    uploads = bootstrap.upload_form_issuer().issue(
        CALLER, dict.fromkeys(Role, "image/jpeg"), region=None, pair_id=None
    )

    form = uploads.forms[Role.SOURCE].post
    assert form.url == f"https://photos.s3.{aws_region}.amazonaws.com/"
    assert form.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"


@pytest.mark.parametrize(
    ("name", "timeouts_s", "tries"), [("dynamodb", (2, 4), 6), ("sqs", (2, 5), 4), ("s3", (2, 10), 4)]
)
def test_a_service_that_does_not_answer_is_retried_soon(
    monkeypatch: pytest.MonkeyPatch, name: str, timeouts_s: tuple[float, float], tries: int
) -> None:
    set_environment(monkeypatch)
    clients: dict[str, Callable[[], Any]] = {
        "dynamodb": bootstrap._dynamodb,
        "sqs": bootstrap._sqs,
        "s3": lambda: bootstrap._photo_store().client,
    }

    config: Any = clients[name]().meta.config

    assert (config.connect_timeout, config.read_timeout) == timeouts_s
    assert (config.retries["total_max_attempts"], config.retries["mode"]) == (tries, "standard")


def test_every_use_case_is_made_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)

    requester, comparer = bootstrap.comparison_requester(), bootstrap.pair_comparer()

    assert requester.comparer is comparer
    assert bootstrap.upload_receiver().registrar is requester.registrar
    assert bootstrap.comparison_eraser().ledger is bootstrap.result_publisher().ledger
    assert bootstrap.sweeper().limiter is requester.limiter
    assert comparer.retries.time_limit_s == bootstrap.settings().retry_time_limit_s
    assert comparer.retries.attempt_budget == bootstrap.settings().attempt_budget


@pytest.mark.parametrize("credentials", ["static", "federated"])
def test_a_key_that_does_not_come_soon_is_given_up(monkeypatch: pytest.MonkeyPatch, credentials: str) -> None:
    role = {
        "PROVIDER_ROLE_ARN": "acs:ram::1:role/r",
        "PROVIDER_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/o",
    }
    set_environment(monkeypatch, PROVIDER_CREDENTIALS=credentials, **role)

    source = bootstrap._provider_credentials()

    if isinstance(source, SecretCredentials):
        client = source.secrets.client
    else:
        assert isinstance(source, FederatedCredentials)
        client = source.issue_token.__self__.client  # type: ignore[attr-defined]
    config: Any = client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 4)
    assert config.retries["total_max_attempts"] == 2
