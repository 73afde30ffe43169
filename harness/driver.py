"""Drives a deployed stack as its users do, and waits for what comes of it."""

import io
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from botocore.credentials import Credentials
from PIL import Image, ImageDraw
from pillow_heif import register_heif_opener

from local.processes import LOCAL
from local.signed_http import HttpAnswer, make_request, send
from local.stack import STACK_NAME, Stack

FOLDER = LOCAL / "e2e"
"""Where the stack of all end-to-end tests keeps its logs."""
LONGEST_WAIT_S = 60.0
CALLER = "arn:aws:iam::000000000000:root"
"""Who signs, unless other credentials do: as the local cloud names the holder of its own key."""
register_heif_opener()  # so that Pillow writes HEIC


def make_photo(seed: int = 0, *, width: int = 720, height: int = 960, form: str = "JPEG") -> bytes:
    """Return a photo with enough in it for the emulator to find a face."""
    image = Image.effect_noise((width, height), 40).convert("RGB")
    draw = ImageDraw.Draw(image)
    for step in range(6):
        shade = (37 * (step + seed)) % 200 + 40
        inset = 20 + step * min(30, (width - 60) // 14)
        box = (inset + 13 * seed % 60, inset, width - inset, height - inset - 17 * seed % 60)
        draw.ellipse(box, fill=(shade, 255 - shade, (shade * 3) % 255))
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@dataclass(slots=True)
class Driver:
    """One stack, and the events that have come off its results queue so far, by subject."""

    stack: Stack
    events: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a client of the stack's cloud, made once; any thread may use it."""
        if service not in self._clients:
            self._clients[service] = self.stack.client(service)
        return self._clients[service]

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the bucket."""
        self.client("s3").put_object(Bucket=self.stack.bucket, Key=key, Body=content)

    def put_pair(self, pair_id: str, region: str = "singapore", *, seed: int = 0) -> None:
        """Put both photos of a pair into the inbox."""
        self.put(f"inbox/{region}/{pair_id}/source.jpg", make_photo(seed))
        self.put(f"inbox/{region}/{pair_id}/target.jpg", make_photo(seed + 1))

    def upload_pair(
        self,
        pair_id: str,
        region: str = "singapore",
        *,
        seed: int = 0,
        credentials: Credentials | None = None,
    ) -> dict[str, Any]:
        """Post both photos of a pair by presigned forms; return what asks for their comparison."""
        asked = {"pair_id": pair_id, "region": region}
        tickets = self.request("POST", "/v1/uploads", asked, credentials=credentials)
        assert tickets.status is HTTPStatus.CREATED
        for number, role in enumerate(("source", "target")):
            ticket = tickets.body[role]
            posted = post_form(ticket["url"], ticket["fields"], make_photo(seed + number))
            assert posted == HTTPStatus.NO_CONTENT
        return {role: {"upload_key": tickets.body[role]["key"]} for role in ("source", "target")}

    def wait_for_event(self, subject: str) -> Mapping[str, Any]:
        """Return the first event about `subject`."""
        return self.wait_for_events(subject, 1)[0]

    def wait_for_events(self, subject: str, count: int) -> list[Mapping[str, Any]]:
        """Return the events about `subject` once there are `count` of them."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while len(self.events.get(subject, [])) < count:
            assert time.monotonic() < deadline, f"no event about {subject!r}, only {sorted(self.events)}"
            self.collect_events(wait_s=1)
        return self.events[subject]

    def collect_events(self, wait_s: int = 0) -> None:
        """Take what is on the results queue."""
        queue = self.client("sqs")
        received = queue.receive_message(
            QueueUrl=self.stack.results_queue_url, WaitTimeSeconds=wait_s, MaxNumberOfMessages=10
        )
        for message in received.get("Messages", []):
            event = json.loads(message["Body"])
            self.events.setdefault(event["subject"], []).append(event)
            queue.delete_message(
                QueueUrl=self.stack.results_queue_url, ReceiptHandle=message["ReceiptHandle"]
            )

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        signed: bool = True,
        credentials: Credentials | None = None,
        timeout_s: float = LONGEST_WAIT_S,
    ) -> HttpAnswer:
        """Make a request to the API, signed by whoever brings up stacks here unless by `credentials`."""
        request = make_request(
            self.stack, method, path, body, headers, signed=signed, credentials=credentials
        )
        return send(request, timeout_s)

    def wait_for_verdict(self, comparison_id: str) -> Mapping[str, Any]:
        """Return a comparison, as the API shows it, once it has ended."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while True:
            answer = self.request("GET", f"/v1/comparisons/{comparison_id}")
            if answer.body["state"] != "registered":
                comparison: Mapping[str, Any] = answer.body
                return comparison
            assert time.monotonic() < deadline, f"no verdict for {comparison_id}"
            self.collect_events(wait_s=1)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return once `holds` does."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not holds():
            assert time.monotonic() < deadline, "what was waited for did not come to hold"
            self.collect_events(wait_s=1)

    def sweep(self) -> None:
        """Have the sweep run now, and not within a minute."""
        functions = self.client("lambda")
        names = (str(one["FunctionName"]) for one in functions.list_functions()["Functions"])
        name = next(name for name in names if name.startswith(f"{STACK_NAME}-Sweep-"))
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        assert "FunctionError" not in answer

    def wait_for_swept_event(self, subject: str) -> Mapping[str, Any]:
        """Return the first event about `subject`, which a sweep is to bring about."""

        def sweep_until_there() -> bool:
            self.sweep()
            return subject in self.events

        self.wait_until(sweep_until_there)
        return self.wait_for_event(subject)

    def list_calls(self, event: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
        """Return the comparisons in the emulator's log, of one comparison or of all."""
        logged: list[Mapping[str, Any]] = send(
            urllib.request.Request(f"{self.stack.emulator_url}/_emulator/calls")
        ).body
        calls = [call for call in logged if call["action"] in {"FaceCompare", "FaceCompareV2"}]
        if event is None:
            return calls
        made = set(event["data"]["provider"]["merchant_biz_ids"])
        return [call for call in calls if call["merchant_biz_id"] in made]

    def count_messages(self, queue_url: str) -> int:
        """Return how many messages a queue holds, delayed and hidden ones included."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
        return sum(int(attributes["Attributes"][name]) for name in names)

    def list_keys(self, prefix: str) -> list[str]:
        """Return the keys of the bucket under a prefix."""
        listed = self.client("s3").list_objects_v2(Bucket=self.stack.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]


def post_form(url: str, fields: Mapping[str, str], content: bytes) -> int:
    """Post a file by a presigned form; return the status of the answer."""
    boundary = "facematch-form"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    body = b"".join([*parts, head.encode(), content, f"\r\n--{boundary}--\r\n".encode()])
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, body, headers)) as response:
        status: int = response.status
        return status
