"""The key tried from this machine, against the emulator."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from facecompare_emulator import DEFAULT_CREDENTIALS, Addresses, run_emulator
from facematch.domain.provider import Credentials
from facematch.domain.regions import Network, Region
from facematch.settings import Settings
from facematch.use_cases.diagnose_provider import Access, Diagnosis
from facematch_cli.doctor.check import Level
from facematch_cli.doctor.provider import HERE, check_regions, diagnose_from_here
from tests.factories.command import make_settings
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions

KEY = Credentials(DEFAULT_CREDENTIALS.access_key_id, DEFAULT_CREDENTIALS.access_key_secret)
ALLOWED = (Region.SINGAPORE, Region.INDONESIA)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Addresses]:
    with run_emulator() as addresses:
        yield addresses
    close_sdk_sessions()


@pytest.fixture
def control(emulator: Addresses) -> ControlClient:
    client = ControlClient(emulator.control.removeprefix("http://"))
    client.reset()
    return client


@pytest.fixture
def settings(emulator: Addresses) -> Settings:
    emulators = ",".join(
        f"{region}.{network}={emulator.address(region)}" for region in Region for network in Network
    )
    return make_settings(LOCAL_STACK="true", PROVIDER_ENDPOINTS=emulators)


def diagnose(settings: Settings, key: Credentials = KEY) -> Diagnosis:
    diagnosis = diagnose_from_here(settings, key)
    assert diagnosis is not None
    return diagnosis


def list_codes(diagnosis: Diagnosis) -> dict[Region, str]:
    return {region: found.code for region, found in diagnosis.regions.items()}


def test_a_good_key_is_accepted_in_the_allowed_regions_for_free(
    settings: Settings, control: ControlClient
) -> None:
    diagnosis = diagnose(settings)

    assert list_codes(diagnosis) == dict.fromkeys(ALLOWED, "Success")
    assert {call["action"] for call in control.calls()} == {"KeepaliveIntl"}
    assert {call["region"] for call in control.calls()} == set(ALLOWED)
    # A busy machine may answer slowly, which is worth a warning.
    quick = {region: replace(found, latency_ms=90) for region, found in diagnosis.regions.items()}
    assert {one.level for one in check_regions(quick, settings, HERE)} == {Level.OK}


def test_an_unknown_key_and_a_wrong_secret_are_distinguished(
    settings: Settings, control: ControlClient
) -> None:
    assert control.calls() == []
    unknown = diagnose(settings, Credentials("another", KEY.access_key_secret))
    wrong = diagnose(settings, Credentials(KEY.access_key_id, "another"))

    assert list_codes(unknown) == dict.fromkeys(ALLOWED, "InvalidAccessKeyId.NotFound")
    assert list_codes(wrong) == dict.fromkeys(ALLOWED, "SignatureDoesNotMatch")
    assert {found.access for found in unknown.regions.values()} == {Access.REFUSED}


def test_a_disabled_key_is_reported(settings: Settings, control: ControlClient) -> None:
    control.ask("PATCH", f"/keys/{KEY.access_key_id}", {"active": False})

    assert set(list_codes(diagnose(settings)).values()) == {"InvalidAccessKeyId.Inactive"}
    control.ask("DELETE", "/keys")


@pytest.mark.parametrize("ahead_s", [1200, -1200])
def test_clocks_that_differ_by_20_minutes_are_found(
    settings: Settings, control: ControlClient, ahead_s: int
) -> None:
    control.ask("PUT", "/clock", {"ahead_s": ahead_s})
    diagnosis = diagnose(settings)
    control.ask("PUT", "/clock", {"ahead_s": 0})

    assert {found.access for found in diagnosis.regions.values()} == {Access.REFUSED}
    for found in diagnosis.regions.values():
        assert found.clock_ahead_s == pytest.approx(ahead_s, abs=5)
    *_, clock = check_regions(diagnosis.regions, settings, HERE)
    assert (clock.level, "20 min" in clock.finding) == (Level.ERROR, True)
