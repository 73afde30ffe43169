"""The control port: ``/_emulator/*``."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from aiohttp import web

from .calls import MAX_CALLS
from .endpoints import REGIONS
from .keys import KeyFormError, read_change, read_key
from .photos import PASS_SCORE
from .quota import QpsWindow
from .scenarios import ScenarioError, read_scenarios
from .service import FaceCompareService

_MAX_AHEAD_S: Final = 86_400


class Control:
    """Shows the state of a running service, and changes its quota, clock, scenarios and keys."""

    def __init__(self, service: FaceCompareService, list_endpoints: Callable[[], Sequence[object]]) -> None:
        self._service = service
        self._list_endpoints = list_endpoints

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add every route of the control port."""
        router.add_get("/_emulator", self._describe)
        router.add_get("/_emulator/health", self._get_health)
        router.add_get("/_emulator/endpoints", self._get_endpoints)
        router.add_get("/_emulator/calls", self._get_calls)
        router.add_delete("/_emulator/calls", self._clear_calls)
        router.add_put("/_emulator/quota", self._change_quota)
        router.add_put("/_emulator/clock", self._change_clock)
        router.add_get("/_emulator/scenarios", self._get_scenarios)
        router.add_put("/_emulator/scenarios", self._replace_scenarios)
        router.add_post("/_emulator/scenarios", self._add_scenario)
        router.add_delete("/_emulator/scenarios", self._clear_scenarios)
        router.add_delete("/_emulator/scenarios/{scenario_id}", self._end_scenario)
        router.add_get("/_emulator/keys", self._get_keys)
        router.add_post("/_emulator/keys", self._add_key)
        router.add_delete("/_emulator/keys", self._reset_keys)
        router.add_patch("/_emulator/keys/{access_key_id}", self._change_key)
        router.add_delete("/_emulator/keys/{access_key_id}", self._remove_key)

    async def _describe(self, _: web.Request) -> web.Response:
        rules = self._service.rules
        return web.json_response(
            {
                "about": (
                    f"An emulator of the FaceCompare protocol. {rules.judge.about} "
                    "The pass score is the emulator's own."
                ),
                "judge": rules.judge.name,
                "pass_score": PASS_SCORE,
                "qps": self._service.qps,
                "qps_window": self._service.qps_window,
                "data_limit": rules.data_limit,
                "operations": rules.operations,
                "idle_timeout_s": rules.idle_timeout_s,
                "oidc_audiences": rules.oidc_trust.audiences,
                "oidc_signatures_checked": rules.oidc_trust.public_key is not None,
                "endpoints": self._list_endpoints(),
            },
        )

    async def _get_health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _get_endpoints(self, _: web.Request) -> web.Response:
        return web.json_response(self._list_endpoints())

    async def _get_calls(self, request: web.Request) -> web.Response:
        region = request.query.get("region")
        if region not in {None, *REGIONS}:
            return _refuse(f"The region must be one of {', '.join(REGIONS)}.")
        last = request.query.get("last", str(MAX_CALLS))
        if not re.fullmatch("[1-9][0-9]{0,5}", last):
            return _refuse("'last' must be a whole number from 1 to 999999.")
        calls = self._service.calls.describe(region, request.query.get("merchant_biz_id"))
        return web.json_response(calls[-int(last) :])

    async def _clear_calls(self, _: web.Request) -> web.Response:
        self._service.calls.clear()
        return web.Response(status=204)

    async def _change_quota(self, request: web.Request) -> web.Response:
        try:
            qps, window = _read_quota(await request.json(), self._service)
        except json.JSONDecodeError:
            return _refuse("The body is not JSON.")
        except ValueError as error:
            return _refuse(str(error))
        self._service.set_quota(qps, window)
        return web.json_response({"qps": qps, "qps_window": window})

    async def _change_clock(self, request: web.Request) -> web.Response:
        try:
            ahead_s = _read_ahead_s(await request.json())
        except json.JSONDecodeError:
            return _refuse("The body is not JSON.")
        except ValueError as error:
            return _refuse(str(error))
        self._service.clock_ahead = timedelta(seconds=ahead_s)
        return web.json_response({"ahead_s": ahead_s})

    async def _get_scenarios(self, _: web.Request) -> web.Response:
        return web.json_response(self._service.script.describe())

    async def _replace_scenarios(self, request: web.Request) -> web.Response:
        return await self._change_script(
            request, lambda document: self._service.script.replace(read_scenarios(document))
        )

    async def _add_scenario(self, request: web.Request) -> web.Response:
        return await self._change_script(request, self._service.script.add)

    async def _clear_scenarios(self, _: web.Request) -> web.Response:
        self._service.script.replace(())
        return web.Response(status=204)

    async def _end_scenario(self, request: web.Request) -> web.Response:
        if self._service.script.end(request.match_info["scenario_id"]):
            return web.Response(status=204)
        return _refuse("There is no such scenario.", status=404)

    async def _get_keys(self, _: web.Request) -> web.Response:
        return web.json_response(self._service.keys.describe())

    async def _add_key(self, request: web.Request) -> web.Response:
        try:
            self._service.keys.add(read_key(await request.json()))
        except json.JSONDecodeError:
            return _refuse("The body is not JSON.")
        except KeyFormError as error:
            return _refuse(str(error))
        return web.json_response(self._service.keys.describe())

    async def _change_key(self, request: web.Request) -> web.Response:
        try:
            active, ends_at = read_change(await request.json())
            known = self._service.keys.change(
                request.match_info["access_key_id"], active=active, ends_at=ends_at
            )
        except json.JSONDecodeError:
            return _refuse("The body is not JSON.")
        except KeyFormError as error:
            return _refuse(str(error))
        return web.json_response(self._service.keys.describe()) if known else _miss_key()

    async def _remove_key(self, request: web.Request) -> web.Response:
        known = self._service.keys.remove(request.match_info["access_key_id"])
        return web.Response(status=204) if known else _miss_key()

    async def _reset_keys(self, _: web.Request) -> web.Response:
        self._service.keys.reset()
        return web.Response(status=204)

    async def _change_script(self, request: web.Request, change: Callable[[object], None]) -> web.Response:
        try:
            change(await request.json())
        except json.JSONDecodeError:
            return _refuse("The body is not JSON.")
        except ScenarioError as error:
            return _refuse(str(error))
        return web.json_response(self._service.script.describe())


def _read_quota(document: object, service: FaceCompareService) -> tuple[dict[str, int], QpsWindow]:
    """Return the quota that a JSON object describes. A region or window that it does not contain is kept."""
    if not isinstance(document, dict) or not document.keys() <= {"qps", "window"}:
        raise ValueError("A quota must be a JSON object with 'qps' or 'window'.")
    qps, window = document.get("qps", {}), document.get("window", service.qps_window)
    if not isinstance(qps, dict) or not qps.keys() <= set(REGIONS):
        raise ValueError(f"'qps' must be a JSON object with {', '.join(REGIONS)}.")
    if any(type(limit) is not int or limit < 1 for limit in qps.values()):
        raise ValueError("Calls per second must be whole numbers of 1 or more.")
    if window not in list(QpsWindow):
        raise ValueError(f"'window' must be one of {', '.join(QpsWindow)}.")
    return {**service.qps, **qps}, QpsWindow(window)


def _read_ahead_s(document: object) -> float:
    """Return by how many seconds the provider's clock is ahead of this machine's."""
    ahead_s = document.get("ahead_s") if isinstance(document, dict) and len(document) == 1 else None
    if isinstance(ahead_s, bool) or not isinstance(ahead_s, int | float) or abs(ahead_s) > _MAX_AHEAD_S:
        raise ValueError(f"The clock must be a JSON object with 'ahead_s': at most {_MAX_AHEAD_S} seconds.")
    return ahead_s


def _refuse(sentence: str, status: int = 400) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


def _miss_key() -> web.Response:
    return _refuse("There is no key with this id.", status=404)
