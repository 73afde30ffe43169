import pytest
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException

from facecompare_emulator import Addresses, QpsWindow, Rules, run_emulator
from facecompare_emulator.endpoints import DEFAULT_QPS
from facecompare_emulator.quota import make_quota
from tests.fakes.clock import FakeClock
from tests.integration.emulator.clients import ControlClient, compare, send, sign


def admitted(window: QpsWindow, qps: int, times_s: list[float]) -> list[bool]:
    quota = make_quota(window, qps)
    return [quota.take(now_s) == 0 for now_s in times_s]


def test_fixed_window_starts_again_each_second() -> None:
    times_s = [0.9, 0.9, 0.95, 1.0, 1.0, 1.5, 2.0]
    assert admitted(QpsWindow.FIXED, 2, times_s) == [True, True, False, True, True, False, True]


def test_sliding_window_looks_one_second_back() -> None:
    times_s = [0.9, 0.9, 0.95, 1.0, 1.75, 1.9, 1.9, 1.9]
    assert admitted(QpsWindow.SLIDING, 2, times_s) == [True, True, False, False, False, True, True, False]


def test_token_bucket_refills_steadily() -> None:
    times_s = [5.0, 5.0, 5.0, 5.5, 5.5, 6.0, 9.0, 9.0, 9.0]
    assert admitted(QpsWindow.BUCKET, 2, times_s) == [True, True, False, True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("window", "wait_s"), [(QpsWindow.FIXED, 0.75), (QpsWindow.SLIDING, 1.0), (QpsWindow.BUCKET, 1.0)]
)
def test_quota_returns_how_long_to_wait(window: QpsWindow, wait_s: float) -> None:
    quota = make_quota(window, 1)
    assert quota.take(0.25) == 0
    assert quota.take(0.25) == wait_s
    assert quota.take(0.25 + wait_s) == 0


def count_admitted(addresses: Addresses, region: str, calls: int) -> int:
    networks = ("public", "internal")
    codes = []
    for number in range(calls):
        address = addresses.address(region, networks[number % 2])
        codes.append(send(address, sign(address)).code)
    assert set(codes) <= {"Success", "Throttling.Api"}
    return codes.count("Success")


@pytest.mark.parametrize("window", QpsWindow)
def test_each_region_has_its_quota_over_both_networks(window: QpsWindow) -> None:
    clock = FakeClock(0)
    with run_emulator(Rules(qps_window=window, clock=clock.now_s)) as addresses:
        for region, qps in DEFAULT_QPS.items():
            assert count_admitted(addresses, region, qps + 2) == qps
        clock.advance(1)
        assert count_admitted(addresses, "indonesia", 5) == 3


def test_throttled_call_is_refused_as_the_provider_does() -> None:
    clock = FakeClock(0)
    with run_emulator(Rules(qps={"malaysia": 1}, clock=clock.now_s)) as addresses:
        compare(addresses.address("malaysia"))
        with pytest.raises(ClientException) as refusal:
            compare(addresses.address("malaysia", "internal"))
        assert (refusal.value.code, refusal.value.status_code) == ("Throttling.Api", 403)
        call = ControlClient(addresses.control.removeprefix("http://")).last_call()
        assert (call["code"], call["compared"], call["network"]) == ("Throttling.Api", False, "internal")


def test_retry_after_is_sent_where_it_is_asked_for() -> None:
    clock = FakeClock(750)
    with run_emulator(Rules(qps={"malaysia": 1}, clock=clock.now_s, send_retry_after=True)) as addresses:
        compare(addresses.address("malaysia"))
        with pytest.raises(ThrottlingException) as refusal:
            compare(addresses.address("malaysia"))
        assert (refusal.value.code, refusal.value.retry_after) == ("Throttling.Api", 250)


def test_keepalive_takes_nothing_of_the_quota() -> None:
    with run_emulator(Rules(qps={"malaysia": 1}, clock=FakeClock(0).now_s)) as addresses:
        address = addresses.address("malaysia")
        for _ in range(3):
            assert send(address, sign(address, x_acs_action="KeepaliveIntl")).code == "Success"
        assert count_admitted(addresses, "malaysia", 2) == 1


def test_each_operation_has_its_own_quota() -> None:
    with run_emulator(Rules(qps={"malaysia": 1}, clock=FakeClock(0).now_s)) as addresses:
        address = addresses.address("malaysia")
        codes = [
            send(address, sign(address, x_acs_action=operation)).code
            for operation in ("FaceCompare", "FaceCompareV2", "FaceCompareV2")
        ]
        assert codes == ["Success", "Success", "Throttling.Api"]


def test_the_quota_is_changed_while_the_emulator_runs() -> None:
    clock = FakeClock(900)
    with run_emulator(Rules(qps={"malaysia": 5}, clock=clock.now_s)) as addresses:
        control = ControlClient(addresses.control.removeprefix("http://"))
        assert count_admitted(addresses, "malaysia", 6) == 5

        reported = control.ask("PUT", "/quota", {"qps": {"malaysia": 2}, "window": "sliding"})
        assert reported.document["qps"]["malaysia"] == 2
        assert reported.document["qps_window"] == "sliding"
        assert count_admitted(addresses, "malaysia", 4) == 2

        # A fixed window would start again here.
        clock.advance(0.2)
        assert count_admitted(addresses, "malaysia", 1) == 0
        assert control.ask("PUT", "/quota", {}).document == reported.document


@pytest.mark.parametrize(
    ("quota", "complaint"),
    [
        ([], "A quota must be"),
        ({"calls": 3}, "A quota must be"),
        ({"qps": 3}, "'qps' must be"),
        ({"qps": {"mars": 3}}, "'qps' must be"),
        ({"qps": {"malaysia": 0}}, "whole numbers of 1 or more"),
        ({"qps": {"malaysia": True}}, "whole numbers of 1 or more"),
        ({"window": "lunar"}, "'window' must be one of"),
        ({"window": ["fixed"]}, "'window' must be one of"),
    ],
    ids=str,
)
def test_a_quota_that_makes_no_sense_is_refused(
    control: ControlClient, quota: object, complaint: str
) -> None:
    refusal = control.ask("PUT", "/quota", quota)

    assert refusal.http_status == 400
    assert complaint in refusal.document["error"]
