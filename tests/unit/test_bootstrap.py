from collections.abc import Iterator

import pytest

from facematch import bootstrap
from facematch.domain.regions import PROFILES
from facematch.domain.verdict import Role
from tests.factories import CALLER
from tests.integration.handlers.environment import read_environment

KNOWN = {
    "Ledger": "table",
    "Photos": "photos",
    "UploadsQueue": "uploads",
    "ComparisonsQueue": "comparisons",
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


@pytest.mark.parametrize("aws_region", sorted(profile.aws_region for profile in PROFILES.values()))
def test_upload_forms_lead_to_the_buckets_own_region(
    aws_region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    environment = read_environment(KNOWN | {"AWS::Region": aws_region})
    environment |= {"AWS_REGION": aws_region, "AWS_DEFAULT_REGION": aws_region}
    environment |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    uploads = bootstrap.upload_desk().issue(
        CALLER, dict.fromkeys(Role, "image/jpeg"), region=None, pair_id=None
    )

    form = uploads.tickets[Role.SOURCE].form
    assert form.url == f"https://photos.s3.{aws_region}.amazonaws.com/"
    assert form.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
