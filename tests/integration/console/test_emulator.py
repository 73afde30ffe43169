import asyncio
from typing import Any

from aiohttp import ClientSession

from console.emulator import EmulatorControl
from facecompare_emulator import run_emulator
from tests.integration.emulator.clients import close_sdk_sessions, compare, make_client


def find_pictures(url: str, merchant_biz_id: str) -> dict[str, Any]:
    async def find() -> dict[str, Any]:
        async with ClientSession() as session:
            return await EmulatorControl(session, url).find_pictures(merchant_biz_id)

    return asyncio.run(find())


def describe(url: str) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with ClientSession() as session:
            return await EmulatorControl(session, url).describe()

    return asyncio.run(ask())


def test_the_latest_calls_contain_a_comparison_before_many_free_calls() -> None:
    with run_emulator() as addresses:
        singapore = addresses.address("singapore")
        compare(singapore, merchant_biz_id="first")
        for _ in range(10):
            make_client(singapore).keepalive_intl()
        assert [call["merchant_biz_id"] for call in describe(addresses.control)["calls"]] == ["first"]
    close_sdk_sessions()


def test_the_pictures_of_a_call_are_found_by_its_business_id() -> None:
    with run_emulator() as addresses:
        for merchant_biz_id in ("first", "second"):
            compare(addresses.address("singapore"), merchant_biz_id=merchant_biz_id)
        pictures = find_pictures(addresses.control, "first")
        assert pictures["source"]["width"] == 720
        assert pictures["target"]["face_box"] is None
        assert find_pictures(addresses.control, "third") == {}
    close_sdk_sessions()
