"""The control port: ``/_emulator/*``."""

import json
from collections.abc import Callable, Sequence

from aiohttp import web

from .endpoints import REGIONS
from .photos import PASS_SCORE
from .scenarios import ScenarioError, read_scenarios
from .service import FaceCompareService


class Control:
    """Looks into a running service and scripts it."""

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
        router.add_get("/_emulator/scenarios", self._get_scenarios)
        router.add_put("/_emulator/scenarios", self._replace_scenarios)
        router.add_post("/_emulator/scenarios", self._add_scenario)
        router.add_delete("/_emulator/scenarios", self._clear_scenarios)

    async def _describe(self, _: web.Request) -> web.Response:
        rules = self._service.rules
        return web.json_response(
            {
                "about": (
                    "An emulator of the FaceCompare protocol. It recognises no one: scores come from the "
                    "pixels, and its pass score is its own: it says nothing about people."
                ),
                "pass_score": PASS_SCORE,
                "qps": self._service.qps,
                "qps_window": rules.qps_window,
                "data_limit": rules.data_limit,
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
        return web.json_response(self._service.calls.describe(region))

    async def _clear_calls(self, _: web.Request) -> web.Response:
        self._service.calls.clear()
        return web.Response(status=204)

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

    async def _change_script(self, request: web.Request, change: Callable[[object], None]) -> web.Response:
        try:
            change(await request.json())
        except json.JSONDecodeError:
            return _refuse("The body is not JSON.")
        except ScenarioError as error:
            return _refuse(str(error))
        return web.json_response(self._service.script.describe())


def _refuse(sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=400)
