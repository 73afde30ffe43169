"""A judge that compares faces with dlib's networks. They are not the provider's: scores are not comparable.

dlib runs in separate processes. Its descriptor network holds Python's global lock for 60 ms per photo, which
would delay all other calls.
"""

import asyncio
import hashlib
import json
import math
import random
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from .answers import Refusal
from .photos import Box, Face, JudgeError, Quality

DEFAULT_MODELS: Final = Path(".local/faces")
DISTANCE_OF_ONE_PERSON: Final = 0.6
"""dlib's own threshold: two descriptors with a smaller distance are of the same person."""

_SCORE_AT_THAT_DISTANCE: Final = 70.0
_LOSS_PER_DISTANCE: Final = (100 - _SCORE_AT_THAT_DISTANCE) / DISTANCE_OF_ONE_PERSON

_WORKERS: Final = 2  # one for each photo of a pair
_MAX_CACHED: Final = 1000
_STOP_LIMIT_S: Final = 5.0
_DESCRIPTOR_LENGTH: Final = 128


class FaceJudge:
    """Scores the distance of two face descriptors: 100 at 0, 70 at 0.6, 0 from 2 on.

    Faces are cached by the photo's digest.
    """

    name: Final = "faces"
    about: Final = (
        "Faces are compared by dlib's networks. They are not the provider's: scores are not comparable."
    )

    def __init__(self, models: Path = DEFAULT_MODELS, *, workers: int = _WORKERS) -> None:
        self._models = models.absolute()
        self._count = workers
        self._workers: set[_Worker] = set()
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._cache: OrderedDict[bytes, asyncio.Task[Face | str]] = OrderedDict()

    async def start(self) -> None:
        """Start the workers, and return when each has loaded its networks.

        Raises
        ------
        JudgeError
            dlib or a model is missing.
        """
        starts = [_Worker.start(self._models) for _ in range(self._count)]
        failures = []
        for started in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(started, BaseException):
                failures.append(started)
            else:
                self._workers.add(started)
                self._idle.put_nowait(started)
        if failures:
            await self.stop()
            raise failures[0]

    async def stop(self) -> None:
        """End the workers."""
        for task in self._cache.values():
            task.cancel()
        await asyncio.gather(*self._cache.values(), return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        self._cache.clear()
        self._workers.clear()

    async def find_face(self, photo: bytes) -> Face:
        """Return the largest face in a photo, or raise the provider's `Refusal`."""
        digest = hashlib.sha256(photo).digest()
        task = self._cache.get(digest)
        if task is None:
            task = self._cache[digest] = asyncio.create_task(self._ask(photo))
            task.add_done_callback(lambda done: self._remove_failed(digest, done))
            while len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(digest)
        # Another call can wait for the same photo.
        face = await asyncio.shield(task)
        if isinstance(face, str):
            raise Refusal(face)
        return face

    def make_face_from_url(self, url: str) -> Face:
        """Return a random descriptor of length 1, seeded by the URL. It is of no real person."""
        seed = int.from_bytes(hashlib.sha256(url.encode()).digest())
        generator = random.Random(seed)  # noqa: S311 - no secret, only repeatable
        features = [generator.gauss(0, 1) for _ in range(_DESCRIPTOR_LENGTH)]
        length = math.hypot(*features)
        return Face(tuple(feature / length for feature in features), Quality(50, 50, 50, 0, 0))

    def score(self, source: Face, target: Face) -> float:
        """Return the score of two faces, from 0 to 100."""
        return score_distance(math.dist(source.features, target.features))

    async def _ask(self, photo: bytes) -> Face | str:
        worker = await self._idle.get()
        try:
            return _read_face(await worker.ask(photo))
        except (OSError, EOFError):
            self._workers.discard(worker)
            await worker.stop()
            worker = await _Worker.start(self._models)
            self._workers.add(worker)
            return "InternalError"
        finally:
            self._idle.put_nowait(worker)

    def _remove_failed(self, digest: bytes, task: "asyncio.Task[Face | str]") -> None:
        if task.cancelled() or task.exception() or task.result() == "InternalError":
            self._cache.pop(digest, None)


def score_distance(distance: float) -> float:
    """Return the score of a distance between two descriptors. The distance is 0 or more."""
    return round(max(0.0, 100 - _LOSS_PER_DISTANCE * distance), 2)


def _read_face(answer: dict[str, Any]) -> Face | str:
    """Return the face that a worker found, or the code of the refusal."""
    if "code" in answer:
        return str(answer["code"])
    return Face(
        tuple(answer["features"]), Quality(**answer["quality"]), answer["count"], Box(**answer["box"])
    )


class _Worker:
    """A process that finds the largest face of one photo at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("A worker needs pipes as its standard input and output.")
        self._process = process
        self._input = process.stdin
        self._output = process.stdout

    @classmethod
    async def start(cls, models: Path) -> "_Worker":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}.face_worker", models),
            cwd=Path(__file__).parents[1],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = cls(process)
        try:
            greeting = await worker._read()
        except EOFError:
            await worker.stop()
            raise JudgeError("The process that finds faces did not start.") from None
        if "error" in greeting:
            await worker.stop()
            raise JudgeError(greeting["error"])
        return worker

    async def ask(self, photo: bytes) -> dict[str, Any]:
        """Return the worker's answer about a photo; raise `OSError` or `EOFError` if the worker ends."""
        self._input.write(len(photo).to_bytes(4) + photo)
        await self._input.drain()
        return await self._read()

    async def stop(self) -> None:
        """Close the input of the worker, so that it ends; kill it if it does not end in time."""
        self._input.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_LIMIT_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _read(self) -> dict[str, Any]:
        line = await self._output.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer
