"""Sends traffic with marked photos, names, URLs and keys to a stack: all successes and all faults."""

import base64
import hashlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from facematch.domain.comparison import identify_request, identify_upload
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from harness.driver import Driver, post_form
from harness.faults import Cloud, Emulator, wait_until
from local.signed_http import HttpAnswer, send
from local.stack import STACK_NAME
from tests.audit.locations import Locations
from tests.audit.markers import CALLER_LOCATIONS, PAIR_ID_LOCATIONS, Markers
from tests.audit.roles import Permission, Roles

type Fields = dict[str, Any]

PROVIDER_FAULTS: Final[Mapping[str, tuple[Region, Fields]]] = {
    "throttled": (Region.SINGAPORE, {"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": 500}),
    "internal error": (Region.SINGAPORE, {"effect": "refuse", "code": "InternalError"}),
    "failing code under 200": (
        Region.INDONESIA,
        {"effect": "refuse", "code": "InternalError", "http_status": 200},
    ),
    "unknown code": (Region.MALAYSIA, {"effect": "refuse", "code": "NeverSeen.Before", "http_status": 400}),
    "no face": (Region.SINGAPORE, {"effect": "refuse", "code": "NoFaceDetected"}),
    "html 502": (Region.HONG_KONG, {"effect": "html", "http_status": 502}),
    "broken JSON": (Region.INDONESIA, {"effect": "broken_json"}),
    "missing result": (Region.MALAYSIA, {"effect": "missing_result"}),
    "reset": (Region.SINGAPORE, {"effect": "reset", "after_compare": True}),
    "hang": (Region.HONG_KONG, {"effect": "hang"}),
    "refused key": (Region.MALAYSIA, {"effect": "refuse", "code": "InvalidAccessKeyId.NotFound"}),
    "account forbidden": (Region.HONG_KONG, {"effect": "refuse", "code": "Forbidden.AccountAccessDenied"}),
}
"""Scenarios for the first call of a pair. The next call succeeds."""
_DAMAGES: Final = ("truncated", "too small")
_LINK_FAULTS: Final[Mapping[str, Fields]] = {
    "link not fetched": {"effect": "refuse", "code": "DownloadTimeout"},
    "link and html 502": {"effect": "html", "http_status": 502},
    "link and reset": {"effect": "reset", "after_compare": True},
}
_REDELIVERED_AFTER_S: Final = 2
_UNREADABLE_LOCATIONS: Final = frozenset({"dead letter", "queue"})


@dataclass(slots=True)
class AuditTraffic:
    """Sends marked data to a stack. `expected` are the pairs that must have an event."""

    driver: Driver
    locations: Locations
    markers: Markers = field(default_factory=Markers)
    sent: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    @property
    def cloud(self) -> Cloud:
        """The stack's cloud."""
        return Cloud(self.driver)

    @property
    def _lane(self) -> str:
        """The URL of Singapore's bulk queue."""
        return self.driver.stack.comparison_queue_urls["singapore/bulk"]

    def send_all(self) -> None:
        """Send all traffic, one kind after another, and wait for all events."""
        self._use_marked_key()
        self._put_pair_and_record_queues()
        self._put_faulty_pairs()
        self._post_pairs()
        self._post_what_is_refused()
        # A region is on hold for a minute after the provider has refused the key or the account.
        wait_until(self._has_settled, limit_s=300)
        self._send_unreadable_messages()
        self._remove_permissions()
        self._make_dead_letter()
        self._erase()

    def _use_marked_key(self) -> None:
        """Add a marked key to the provider and to the secret, before a function reads the secret."""
        key = {
            "access_key_id": self.markers.make_word("provider's key: id"),
            "access_key_secret": self.markers.make_word("provider's key: secret"),
        }
        control = f"{self.driver.stack.emulator_url}/_emulator/keys"
        request = urllib.request.Request(control, json.dumps(key).encode(), method="POST")
        assert send(request).status is HTTPStatus.OK
        self.driver.client("secretsmanager").put_secret_value(
            SecretId=f"{STACK_NAME}-provider", SecretString=json.dumps(key)
        )

    # By the bucket

    def _put_pair_and_record_queues(self) -> None:
        stack = self.driver.stack
        with self.cloud.halt("Compare"):
            with self.cloud.halt("Uploads"):
                self._put("a pair", Region.SINGAPORE)
                wait_until(lambda: self.locations.peek("UploadsQueue", stack.uploads_queue_url) > 0)
            wait_until(lambda: self.locations.peek("SingaporeBulkQueue", self._lane) > 0)

    def _put_faulty_pairs(self) -> None:
        for name, (region, effect) in PROVIDER_FAULTS.items():
            self._put(name, region, effect)
        for name in _DAMAGES:
            self._put(f"photo {name}", Region.SINGAPORE, damage=name)
        self._put("no image", Region.SINGAPORE, content=self.markers.make_word("no image").encode())
        incomplete = self.markers.make_pair_id("incomplete pair")
        self.driver.put(
            f"inbox/singapore/{incomplete}/source.jpg", self.markers.make_photo("incomplete pair")
        )
        self._expect("bucket: incomplete pair", incomplete)

    def _put(
        self,
        name: str,
        region: Region,
        effect: Fields | None = None,
        *,
        damage: str | None = None,
        content: bytes | None = None,
        ends: bool = True,
    ) -> None:
        pair_id = self.markers.make_pair_id(f"bucket: {name}")
        photos = {
            Role.SOURCE: content or self.markers.make_photo(f"{name}: source", damage=damage),
            Role.TARGET: self.markers.make_target(),
        }
        # S3's ETag of an object that was uploaded in one part.
        etags = {
            role: hashlib.md5(photo, usedforsecurity=False).hexdigest() for role, photo in photos.items()
        }
        if effect:
            self._play(identify_upload(region, pair_id, etags), region, effect)
        for role, photo in photos.items():
            self.driver.put(f"inbox/{region}/{pair_id}/{role}.jpg", photo)
        if ends:
            self._expect(f"bucket: {name}", pair_id)
        else:
            self.sent.append(f"bucket: {name}")

    def _play(self, comparison_id: str, region: Region, effect: Fields) -> None:
        emulator = Emulator(self.driver.stack.emulator_url)
        emulator.play(region, times=1, merchant_biz_id_prefix=comparison_id, **effect)

    def _expect(self, name: str, pair_id: str) -> None:
        self.sent.append(name)
        self.expected.add(pair_id)

    def _has_settled(self) -> bool:
        self.driver.collect_events(wait_s=1)
        return self.expected <= self.driver.events.keys()

    # By the API

    def _post_pairs(self) -> None:
        self._post("posted", HTTPStatus.OK)
        self._post("posted for later", HTTPStatus.ACCEPTED, headers={"Prefer": "respond-async"})
        self._post("linked", HTTPStatus.OK, source={"url": self.markers.make_url("linked")})
        for name, effect in _LINK_FAULTS.items():
            source = {"url": self.markers.make_url(name)}
            self._post(name, HTTPStatus.OK, effect=effect, source=source)
        self._reuse_a_key()
        self._upload_by_forms()

    def _post(
        self,
        name: str,
        status: HTTPStatus,
        *,
        effect: Fields | None = None,
        headers: Mapping[str, str] | None = None,
        ends: bool = True,
        allowed: frozenset[str] = PAIR_ID_LOCATIONS,
        **fields: Any,
    ) -> HttpAnswer:
        key = self.markers.make_word(f"{name}: Idempotency-Key")
        pair_id = self.markers.make_pair_id(f"api: {name}", allowed)
        if effect:
            caller = str(self.driver.client("sts").get_caller_identity()["Arn"])
            self._play(identify_request(caller, key), Region.SINGAPORE, effect)
        body = {"region": "singapore", "pair_id": pair_id, **self._make_photos(name), **fields}
        answer = self._request(
            f"api: {name}", "POST", "/v1/comparisons", body, {"Idempotency-Key": key, **(headers or {})}
        )
        # On a busy machine a request may find no slot in time. Its comparison ends later.
        assert answer.status in {status, HTTPStatus.ACCEPTED}, (name, answer)
        if ends:
            self.expected.add(pair_id)
        return answer

    def _make_photos(self, name: str) -> Fields:
        photos = {Role.SOURCE: self.markers.make_photo(name), Role.TARGET: self.markers.make_target()}
        return {role.value: {"photo": base64.b64encode(photo).decode()} for role, photo in photos.items()}

    def _request(
        self,
        name: str,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> HttpAnswer:
        self.sent.append(name)
        answer = self.driver.request(method, path, body, headers, signed=signed)
        return self.locations.keep_answer(name, answer)

    def _reuse_a_key(self) -> None:
        headers = {"Idempotency-Key": self.markers.make_word("Idempotency-Key that is reused")}
        statuses = [
            self._request(
                "api: Idempotency-Key reused", "POST", "/v1/comparisons", self._make_photos(name), headers
            ).status
            for name in ("first use", "second use")
        ]
        assert statuses == [HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY]

    def _upload_by_forms(self) -> None:
        pair_id = self.markers.make_pair_id("forms")
        body = {"pair_id": pair_id, "region": "singapore"}
        forms = self._request("api: forms", "POST", "/v1/uploads", body).body
        for role in Role:
            form = forms[role]
            assert post_form(form["url"], form["fields"], self.markers.make_photo(f"forms: {role}")) < 300
        self.expected.add(pair_id)

    def _post_what_is_refused(self) -> None:
        for name, body, headers in self._make_bad_requests():
            answer = self._request(f"api: {name}", "POST", "/v1/comparisons", body, headers)
            assert 400 <= answer.status < 500, (name, answer)
        photos = self._make_photos("unsigned")
        assert (
            self._request("api: unsigned", "POST", "/v1/comparisons", photos, signed=False).status
            is HTTPStatus.FORBIDDEN
        )
        for path in ("/v1/comparisons/", "/v1/nowhere/"):
            word = self.markers.make_word(f"in the path {path}", CALLER_LOCATIONS)
            assert self._request("api: unknown path", "GET", path + word).status >= 400

    def _make_bad_requests(self) -> Iterator[tuple[str, object, Mapping[str, str]]]:
        word, photos = self.markers.make_word, self._make_photos("refused")
        links = {
            "URL with credentials": f"https://{word('user')}:{word('password')}@photos.facematch.dev/a",
            "URL of a private host": f"http://10.0.0.1/{word('private URL')}",
            "URL of another kind": f"ftp://photos.facematch.dev/{word('ftp URL')}",
            "URL too long": f"https://photos.facematch.dev/{word('long URL')}{'a' * 2100}",
        }
        fields: Mapping[str, Fields] = {
            "not Base64": {"source": {"photo": f"!{word('not Base64')}"}},
            "no image": {"source": {"photo": base64.b64encode(word("no image, posted").encode()).decode()}},
            "wrong types": {"source": word("wrong type"), "target": [word("wrong type, listed")]},
            "unknown field": {"name": word("unknown field")},
            "unknown region": {"region": word("unknown region", CALLER_LOCATIONS)},
            "bad upload key": {"source": {"upload_key": word("bad upload key")}},
            "missing upload": {"source": {"upload_key": f"inbox/singapore/{word('missing')}/source.jpg"}},
            "pair id too long": {"pair_id": word("long pair id") * 4},
            "two ways at once": {"source": {"url": self.markers.make_url("ambiguous"), **photos["source"]}},
            **{name: {"source": {"url": url}} for name, url in links.items()},
        }
        for name, changed in fields.items():
            yield name, photos | changed, {"X-Name": word(f"{name}: header")}
        for damage in _DAMAGES:
            photo = self.markers.make_photo(f"posted {damage}", damage=damage)
            yield damage, photos | {"source": {"photo": base64.b64encode(photo).decode()}}, {}
        yield "not JSON", f'{{"source": "{word("not JSON")}'.encode(), {}
        yield "nested deeply", b"[" * 100_000 + word("nested").encode(), {}
        yield "another media type", word("text").encode(), {"Content-Type": "text/plain"}

    # Faults of the stack

    def _send_unreadable_messages(self) -> None:
        """Send unreadable messages to both queues. They become dead letters."""
        stack, queues = self.driver.stack, self.driver.client("sqs")
        for name, queue_url, letters_url in (
            ("uploads", stack.uploads_queue_url, stack.uploads_dead_letters_url),
            ("comparisons", self._lane, stack.comparisons_dead_letters_url),
        ):
            self.sent.append(f"queue: unreadable among the {name}")
            word = self.markers.make_word(f"unreadable among the {name}", _UNREADABLE_LOCATIONS)
            with self.cloud.redeliver_after(queue_url, _REDELIVERED_AFTER_S, receives=1):
                queues.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"Records": word}))
                wait_until(partial(self._has_messages, letters_url))

    def _has_messages(self, queue_url: str) -> bool:
        return self.driver.count_messages(queue_url) > 0

    def _remove_permissions(self) -> None:
        """Remove permissions, so that functions get unexpected errors."""
        roles = Roles(self.driver.stack)
        with roles.without(Permission("Api", "dynamodb:PutItem", "Ledger")):
            self._post("ledger refused", HTTPStatus.INTERNAL_SERVER_ERROR, ends=False)
        with roles.without(Permission("Api", "s3:PutObject", "Photos/comparisons/*")):
            self._post("bucket refused", HTTPStatus.INTERNAL_SERVER_ERROR, ends=False)
        with roles.without(Permission("Publish", "sqs:SendMessage", "ResultsQueue")):
            self._post("results refused", HTTPStatus.OK, ends=False)
            wait_until(lambda: self._has_logged("publish", "ClientError"))

    def _has_logged(self, function: str, text: str) -> bool:
        logs = self.driver.client("logs")
        found = logs.filter_log_events(logGroupName=f"/facematch/{STACK_NAME}/{function}")
        return any(text in event["message"] for event in found["events"])

    def _make_dead_letter(self) -> None:
        """Remove a permission on the bucket until a pair is a dead letter."""
        letters_url = self.driver.stack.comparisons_dead_letters_url
        before = self.driver.count_messages(letters_url)
        with (
            self.cloud.redeliver_after(self._lane, _REDELIVERED_AFTER_S, receives=1),
            Roles(self.driver.stack).without(Permission("Compare", "s3:GetObject", "Photos/comparisons/*")),
        ):
            self._put("photos refused", Region.SINGAPORE, ends=False)
            wait_until(lambda: self.driver.count_messages(letters_url) > before)

    def _erase(self) -> None:
        """Erase a pair after its verdict. The ledger must not contain its name any more."""
        posted = self._post("erased", HTTPStatus.OK, allowed=PAIR_ID_LOCATIONS - {"ledger"})
        wait_until(self._has_settled)
        path = f"/v1/comparisons/{posted.body['id']}"
        erased = self._request("api: erased", "DELETE", path)
        assert erased.status is HTTPStatus.NO_CONTENT
        assert self._request("api: erased", "GET", path).status is HTTPStatus.GONE
