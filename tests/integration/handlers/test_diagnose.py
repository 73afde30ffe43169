"""The diagnostic function against the emulator, with the secret in moto."""

import pytest

from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.functions import invoke
from tests.integration.handlers.stack import HandlerStack

ALLOWED = ["singapore", "indonesia", "malaysia"]


@pytest.mark.usefixtures("stack")
def test_a_good_key_is_accepted_in_each_allowed_region_for_free(provider: ControlClient) -> None:
    diagnosis = invoke("diagnose", {})

    assert diagnosis["key_fault"] is None
    assert list(diagnosis["regions"]) == ALLOWED
    for found in diagnosis["regions"].values():
        assert (found["access"], found["code"]) == ("accepted", "Success")
        assert found["latency_ms"] >= 0
        assert found["clock_ahead_s"] == pytest.approx(0, abs=30)
    assert [call["action"] for call in provider.calls()] == ["KeepaliveIntl"] * 3


def test_a_key_that_was_replaced_since_is_tried(stack: HandlerStack) -> None:
    assert invoke("diagnose", {})["regions"]["malaysia"]["access"] == "accepted"
    stack.set_secret('{"access_key_id": "another", "access_key_secret": "another"}')
    replaced = invoke("diagnose", {})
    stack.restore_secret()

    assert {found["code"] for found in replaced["regions"].values()} == {"InvalidAccessKeyId.NotFound"}
    assert {found["access"] for found in replaced["regions"].values()} == {"refused"}


def test_a_secret_in_another_format_is_reported_without_its_content(
    stack: HandlerStack, provider: ControlClient, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.set_secret("s3cret")
    diagnosis = invoke("diagnose", {})
    stack.restore_secret()

    assert diagnosis == {"key_fault": "secret_unreadable", "regions": {}}
    assert provider.calls() == []
    assert "s3cret" not in capsys.readouterr().out
