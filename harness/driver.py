"""Uses a deployed stack as its users do, and waits for the results."""

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
"""The folder with the logs of the stack for all end-to-end tests."""
LONGEST_WAIT_S = 60.0
CALLER = "arn:aws:iam::000000000000:root"
"""The caller of requests by default: the owner of the local cloud's key."""
register_heif_opener()  # so that Pillow writes HEIC


def make_photo(seed: int = 0, *, width: int = 720, height: int = 960, form: str = "JPEG") -> bytes:
    """Return a photo with enough contrast for the emulator to find a face."""
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
    """A stack, and the events received from its results queue, by subject."""

    stack: Stack
    events: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return a cached client of the stack's cloud. All threads can use it."""
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
        """Post both photos of a pair with upload forms; return the fields of a request to compare them."""
        body = {"pair_id": pair_id, "region": region}
        answer = self.request("POST", "/v1/uploads", body, credentials=credentials)
        assert answer.status is HTTPStatus.CREATED
        for number, role in enumerate(("source", "target")):
            form = answer.body[role]
            status = post_form(form["url"], form["fields"], make_photo(seed + number))
            assert status == HTTPStatus.NO_CONTENT
        return {role: {"upload_key": answer.body[role]["key"]} for role in ("source", "target")}

    def wait_for_event(self, subject: str) -> Mapping[str, Any]:
        """Return the first event about `subject`."""
        return self.wait_for_events(subject, 1)[0]

    def wait_for_events(self, subject: str, count: int) -> list[Mapping[str, Any]]:
        """Wait for `count` events about `subject`; return them."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while len(self.events.get(subject, [])) < count:
            assert time.monotonic() < deadline, f"no event about {subject!r}, only {sorted(self.events)}"
            self.collect_events(wait_s=1)
        return self.events[subject]

    def collect_events(self, wait_s: int = 0) -> None:
        """Receive the messages of the results queue."""
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
        """Send a request to the API, signed with `credentials` or the local cloud's key."""
        request = make_request(
            self.stack, method, path, body, headers, signed=signed, credentials=credentials
        )
        return send(request, timeout_s)

    def wait_for_verdict(self, comparison_id: str) -> Mapping[str, Any]:
        """Wait until a comparison has ended; return it as the API shows it."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while True:
            answer = self.request("GET", f"/v1/comparisons/{comparison_id}")
            if answer.body["state"] != "registered":
                comparison: Mapping[str, Any] = answer.body
                return comparison
            assert time.monotonic() < deadline, f"no verdict for {comparison_id}"
            self.collect_events(wait_s=1)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds` returns true."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not holds():
            assert time.monotonic() < deadline, "the condition did not become true"
            self.collect_events(wait_s=1)

    def sweep(self) -> None:
        """Run the sweep now."""
        functions = self.client("lambda")
        names = (str(function["FunctionName"]) for function in functions.list_functions()["Functions"])
        name = next(name for name in names if name.startswith(f"{STACK_NAME}-Sweep-"))
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        assert "FunctionError" not in answer

    def wait_for_swept_event(self, subject: str) -> Mapping[str, Any]:
        """Run the sweep until there is an event about `subject`; return it."""

        def sweep_until_there() -> bool:
            self.sweep()
            return subject in self.events

        self.wait_until(sweep_until_there)
        return self.wait_for_event(subject)

    def list_calls(self, event: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
        """Return the FaceCompare calls in the emulator's log: all, or those of one comparison."""
        logged: list[Mapping[str, Any]] = send(
            urllib.request.Request(f"{self.stack.emulator_url}/_emulator/calls")
        ).body
        calls = [call for call in logged if call["action"] in {"FaceCompare", "FaceCompareV2"}]
        if event is None:
            return calls
        made = set(event["data"]["provider"]["merchant_biz_ids"])
        return [call for call in calls if call["merchant_biz_id"] in made]

    def count_messages(self, queue_url: str) -> int:
        """Return the number of messages in a queue, including delayed and hidden ones."""
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
        return sum(int(attributes["Attributes"][name]) for name in names)

    def list_keys(self, prefix: str) -> list[str]:
        """Return the keys of the bucket with a prefix."""
        listed = self.client("s3").list_objects_v2(Bucket=self.stack.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]


def post_form(url: str, fields: Mapping[str, str], content: bytes) -> int:
    """Post a file with an upload form; return the status of the answer."""
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
