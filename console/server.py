"""The console's server: the page and its API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError as HttpClientError
from aiohttp import ClientSession, web
from aiohttp.typedefs import Handler
from botocore.exceptions import BotoCoreError, ClientError

from console.emulator import EmulatorControl
from console.guard import LOOPBACK_NAMES, add_headers, make_guard
from console.overview import ResultFeed, read_overview, search
from console.photos import ExaminedPhoto, PhotoCache, examine
from console.progress import read_progress
from console.submissions import read_submission, send
from facematch.domain.clock import Clock, SystemClock
from facematch.domain.errors import FacematchError
from facematch.domain.regions import PROFILES, Network, Region
from facematch.use_cases.prepare_photos import photo_limits
from facematch_client.errors import CommandError, ExitCode, explain_error
from facematch_client.faces import explain_missing_detector, mark_crop, read_warnings
from facematch_client.labels import STEPS, VERDICTS, WARNINGS
from facematch_client.pair_request import INLINE_LIMIT_BYTES
from facematch_client.photo_summary import describe_changes, read_header
from facematch_client.records import Query, open_ledger
from facematch_client.stack import Stack
from local.portraits import make_portraits

_PAGE: Final = Path(__file__).with_name("page")
_CHUNK_BYTES: Final = 1 << 16
_EMULATOR: Final = web.AppKey("emulator", EmulatorControl)
_IS_LOCAL: Final = web.AppKey("is_local", bool)
_STATUSES: Final = {
    ExitCode.USAGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.NO_VERDICT: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Site:
    """A stack, and for a local stack the address of the emulator's control port."""

    stack: Stack
    emulator_url: str | None = None


@dataclass(frozen=True, slots=True)
class _Intervals:
    """How often the page refreshes the stack, and polls a pair in progress."""

    refresh_interval_ms: int
    poll_interval_ms: int


_LOCAL_INTERVALS: Final = _Intervals(refresh_interval_ms=2000, poll_interval_ms=400)
# Each refresh of a deployed stack costs reads.
_CLOUD_INTERVALS: Final = _Intervals(refresh_interval_ms=15_000, poll_interval_ms=1500)


def make_app(
    site: Site, *, host_names: Collection[str] = LOOPBACK_NAMES, clock: Clock | None = None
) -> web.Application:
    """Return the console's application. It accepts only these host names."""
    app = web.Application(middlewares=[make_guard(host_names), _explain_errors])
    app[_IS_LOCAL] = site.stack.endpoint_url is not None
    app.on_response_prepare.append(add_headers)
    _Console(site, clock or SystemClock()).add_to(app)
    return app


class _Console:
    def __init__(self, site: Site, clock: Clock) -> None:
        self._site = site
        self._stack = site.stack
        self._clock = clock
        self._ledger = open_ledger(site.stack)
        self._s3 = site.stack.s3()
        self._feed = ResultFeed(self._ledger)
        self._cache = PhotoCache()

    def add_to(self, app: web.Application) -> None:
        app.cleanup_ctx.append(self._run)
        router = app.router
        router.add_get("/", self._get_page)
        router.add_get("/comparisons/{comparison_id}", self._get_page)
        router.add_static("/page", _PAGE)
        router.add_get("/api/labels", self._get_labels)
        router.add_get("/api/stack", self._get_stack)
        router.add_get("/api/overview", self._get_overview)
        router.add_get("/api/samples/{number:[01]}", self._get_sample)
        router.add_post("/api/photos", self._add_photo)
        router.add_get("/api/photos/{photo_id}", self._get_photo)
        router.add_get("/api/comparisons", self._find_comparisons)
        router.add_post("/api/comparisons", self._add_comparison)
        router.add_get("/api/comparisons/{comparison_id}", self._get_comparison)
        router.add_get("/api/emulator", self._get_emulator)
        router.add_get("/api/emulator/pictures", self._get_pictures)
        router.add_put("/api/emulator/switches", self._change_switches)

    async def _run(self, app: web.Application) -> AsyncIterator[None]:
        # boto3 sessions are not thread-safe, and reads create clients.
        with ThreadPoolExecutor(max_workers=1) as self._reader:
            async with ClientSession() as session:
                if self._site.emulator_url:
                    app[_EMULATOR] = EmulatorControl(session, self._site.emulator_url)
                yield

    async def _read[T](self, read: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, read)

    async def _get_page(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(_PAGE / "index.html")

    async def _get_labels(self, _: web.Request) -> web.Response:
        verdicts = {name: {"label": label, "tone": tone} for name, (label, tone) in VERDICTS.items()}
        return web.json_response({"verdicts": verdicts, "steps": dict(STEPS)})

    async def _get_stack(self, _: web.Request) -> web.Response:
        return web.json_response(describe_site(self._site))

    async def _get_overview(self, _: web.Request) -> web.Response:
        now_ms = self._clock.now_ms()
        overview = await self._read(partial(read_overview, self._stack, self._feed, now_ms=now_ms))
        return web.json_response(overview)

    async def _get_sample(self, request: web.Request) -> web.Response:
        portraits = await asyncio.to_thread(_draw_portraits)
        number = int(request.match_info["number"])
        return web.Response(body=portraits[number], content_type="image/jpeg")

    async def _add_photo(self, request: web.Request) -> web.Response:
        settings = self._stack.settings
        content = await _read_body(request, settings.photos.max_source_size_bytes)
        photo = await asyncio.to_thread(examine, content, settings, request.content_length)
        document = {"id": self._cache.add(photo), **await asyncio.to_thread(describe_photo, photo)}
        return web.json_response(document, status=HTTPStatus.CREATED)

    async def _get_photo(self, request: web.Request) -> web.Response:
        photo = self._cache.find(request.match_info["photo_id"])
        if photo is None or photo.jpeg is None:
            raise web.HTTPNotFound
        return web.Response(body=photo.jpeg, content_type="image/jpeg")

    async def _add_comparison(self, request: web.Request) -> web.Response:
        submission = read_submission(await _read_json(request), self._cache, self._stack.settings)
        sent_at_ms = self._clock.now_ms()
        comparison_id = await asyncio.to_thread(send, self._stack, self._s3, submission)
        document = {
            "id": comparison_id,
            "pair_id": submission.pair_id,
            "region": submission.region.value,
            "way": submission.way.value,
            "sent_at_ms": sent_at_ms,
        }
        return web.json_response(document, status=HTTPStatus.CREATED)

    async def _find_comparisons(self, request: web.Request) -> web.Response:
        criteria = {name: request.query.get(name) or None for name in ("name", "region", "verdict")}
        return web.json_response(await self._read(partial(search, self._stack, Query(**criteria))))

    async def _get_comparison(self, request: web.Request) -> web.Response:
        region, separator, pair_id = request.query.get("pair", "").partition("/")
        progress = await self._read(
            partial(
                read_progress,
                self._stack,
                self._ledger,
                request.match_info["comparison_id"],
                pair=(region, pair_id) if separator else None,
                now_ms=self._clock.now_ms(),
            )
        )
        return web.json_response(progress)

    async def _get_emulator(self, request: web.Request) -> web.Response:
        return web.json_response(await _find_emulator(request).describe())

    async def _get_pictures(self, request: web.Request) -> web.Response:
        merchant_biz_id = request.query.get("merchant_biz_id", "")
        return web.json_response(await _find_emulator(request).find_pictures(merchant_biz_id))

    async def _change_switches(self, request: web.Request) -> web.Response:
        document = await _read_json(request)
        if not isinstance(document, list) or not all(isinstance(switch_id, str) for switch_id in document):
            raise web.HTTPBadRequest(text="The body must be a JSON array of switch ids.\n")
        return web.json_response(await _find_emulator(request).switch(document))


def describe_photo(photo: ExaminedPhoto) -> dict[str, Any]:
    """Return a photo as JSON values: its changes and warnings, or the reason why it is refused."""
    if photo.report is None:
        return {
            "report": None,
            "refusal": photo.refusal,
            "orientation_text": None,
            "changes": [],
            "warnings": [],
        }
    facts = read_header(photo.content)
    crop = mark_crop(photo.report)
    return {
        "report": photo.report,
        "refusal": photo.refusal,
        "orientation_text": facts.orientation_text,
        "changes": describe_changes(photo.report, facts),
        "warnings": [WARNINGS[warning] for warning in read_warnings(photo.report)],
        "crop": crop and asdict(crop),
        "faces": photo.faces and asdict(photo.faces),
    }


def describe_site(site: Site) -> dict[str, Any]:
    """Return a stack as JSON values for the page."""
    settings, is_local = site.stack.settings, site.stack.endpoint_url is not None
    return {
        "name": site.stack.name,
        "aws_region": site.stack.session.region_name,
        "is_local": is_local,
        "has_emulator": site.emulator_url is not None,
        "default_region": settings.regions.default,
        "regions": [
            {
                "name": region.value,
                "provider_host": PROFILES[region].host(Network.PUBLIC),
                "called_address": settings.endpoints[region],
                "calls_per_s": settings.calls_per_s[region],
            }
            for region in Region
            if region in settings.regions.allowed
        ],
        "bounds": asdict(settings.options.bounds),
        "inline_limit_bytes": INLINE_LIMIT_BYTES,
        "missing_detector": explain_missing_detector(photo_limits(settings)),
        **asdict(_LOCAL_INTERVALS if is_local else _CLOUD_INTERVALS),
    }


@cache
def _draw_portraits() -> tuple[bytes, ...]:
    return tuple(make_portraits())


async def _read_body(request: web.Request, limit_bytes: int) -> bytes:
    """Return a request's body, at most one byte over the limit. `examine` then refuses it as too large."""
    content = bytearray()
    async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
        content += chunk
        if len(content) > limit_bytes:
            break
    return bytes(content[: limit_bytes + 1])


async def _read_json(request: web.Request) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return await request.json()
    except json.JSONDecodeError:
        raise web.HTTPBadRequest(text="The body is not JSON.\n") from None


def _find_emulator(request: web.Request) -> EmulatorControl:
    emulator = request.app.get(_EMULATOR)
    if emulator is None:
        raise web.HTTPNotFound(text="A deployed stack has no emulator.\n")
    return emulator


@web.middleware
async def _explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except CommandError as error:
        return _make_error_response(error)
    except (FacematchError, BotoCoreError, ClientError) as error:
        return _make_error_response(explain_error(error, is_local=request.app[_IS_LOCAL]))
    except HttpClientError:
        return _make_error_response(
            CommandError(
                "The emulator does not respond. Check that the stack is running.", ExitCode.UNREACHABLE
            )
        )


def _make_error_response(error: CommandError) -> web.Response:
    status = _STATUSES.get(error.exit_code, HTTPStatus.BAD_GATEWAY)
    return web.json_response({"error": error.message}, status=status)
