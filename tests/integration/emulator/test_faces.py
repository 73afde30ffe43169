"""The judge of faces, with dlib and its models; the photos are the drawn sample portraits."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from PIL import Image, ImageEnhance, ImageFilter

from facecompare_emulator import Addresses, FaceJudge, JudgeError, Rules, run_emulator
from facecompare_emulator.answers import Refusal
from facecompare_emulator.endpoints import REGIONS
from facecompare_emulator.face_worker import DESCRIPTORS, LANDMARKS
from facecompare_emulator.faces import DEFAULT_MODELS, score_distance
from facecompare_emulator.photos import Face
from imaging import normalise
from local.portraits import make_portraits, make_stranger
from tests.factories.photos import draw_portrait, encode, to_base64
from tests.integration.emulator.clients import ControlClient, compare, new_id, send, sign

ROOT = Path(__file__).parents[3]

needs_models = pytest.mark.skipif(
    not (DEFAULT_MODELS / DESCRIPTORS).is_file(),
    reason="The face models are not here: `make .local/faces/ready` downloads them.",
)


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    source, target = make_portraits()
    names = ("source", "target", "stranger")
    return {
        name: normalise(photo).jpeg
        for name, photo in zip(names, (source, target, make_stranger()), strict=True)
    }


@pytest.fixture(scope="module")
def addresses() -> Iterator[Addresses]:
    with run_emulator(Rules(judge=FaceJudge(), qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        yield addresses


def paste(*photos: tuple[bytes, int, tuple[int, int]]) -> bytes:
    """Return one photo of 1080 x 1440 px with others in it, each so wide and at its place."""
    whole = Image.new("RGB", (1080, 1440), (150, 160, 170))
    for photo, width, place in photos:
        with Image.open(BytesIO(photo)) as image:
            whole.paste(image.resize((width, width * image.height // image.width)), place)
    return encode(whole, quality=95)


def find(*photos: bytes) -> list[Face]:
    async def find_all() -> list[Face]:
        judge = FaceJudge(workers=1)
        await judge.start()
        try:
            return [await judge.find_face(photo) for photo in photos]
        finally:
            await judge.stop()

    return asyncio.run(find_all())


@pytest.mark.parametrize(("distance", "score"), [(0, 100), (0.3, 85), (0.6, 70), (1, 50), (2, 0), (3, 0)])
def test_score_falls_with_the_distance(distance: float, score: float) -> None:
    assert score_distance(distance) == score


@needs_models
def test_two_photos_of_one_person_pass_and_a_stranger_does_not(
    singapore: str, photos: dict[str, bytes]
) -> None:
    source = to_base64(photos["source"])
    results = {
        name: compare(
            singapore, source_face_picture=source, target_face_picture=to_base64(photos[name])
        ).result
        for name in photos
    }

    assert {name: result.passed for name, result in results.items()} == {
        "source": "Y",
        "target": "Y",
        "stranger": "N",
    }
    assert results["source"].face_comparison_score == 100
    assert results["target"].face_comparison_score > 80
    assert results["stranger"].face_comparison_score < 69


@needs_models
def test_photo_without_a_face_is_refused(
    singapore: str, control: ControlClient, photos: dict[str, bytes]
) -> None:
    blotches = to_base64(encode(draw_portrait()))
    for source in (to_base64(photos["source"]), blotches):
        with pytest.raises(ClientException) as refusal:
            compare(singapore, source_face_picture=source, target_face_picture=blotches)
        assert refusal.value.code == "NoFaceDetected"
    assert not control.last_call()["compared"]


@needs_models
def test_photo_that_is_cut_off_is_refused(singapore: str, photos: dict[str, bytes]) -> None:
    whole, half = photos["source"], photos["source"][: len(photos["source"]) // 2]
    with pytest.raises(ClientException) as refusal:
        compare(singapore, source_face_picture=to_base64(whole), target_face_picture=to_base64(half))
    assert refusal.value.code == "UnqualifiedPhoto"


@needs_models
def test_the_largest_of_several_faces_is_compared(
    singapore: str, control: ControlClient, photos: dict[str, bytes]
) -> None:
    group = paste((photos["target"], 640, (0, 0)), (photos["stranger"], 420, (650, 0)))
    result = compare(
        singapore, source_face_picture=to_base64(photos["source"]), target_face_picture=to_base64(group)
    ).result

    assert result.passed == "Y"
    picture = control.last_call()["pictures"]["target"]
    box = picture["face_box"]
    assert picture["faces"] == 2
    assert 100 < box["left"] < box["left"] + box["width"] < 600
    assert 200 < box["top"] < box["top"] + box["height"] < 700


@needs_models
def test_small_face_is_found(singapore: str, control: ControlClient, photos: dict[str, bytes]) -> None:
    small = paste((photos["target"], 150, (500, 600)))
    compare(singapore, source_face_picture=to_base64(photos["source"]), target_face_picture=to_base64(small))
    assert 30 < control.last_call()["pictures"]["target"]["face_box"]["width"] < 80


@needs_models
def test_tilted_face_is_found(photos: dict[str, bytes]) -> None:
    with Image.open(BytesIO(photos["source"])) as image:
        tilted = [encode(image.rotate(angle, fillcolor=(200, 180, 150)), quality=95) for angle in (-30, 30)]
    assert [face.count for face in find(*tilted)] == [1, 1]


@needs_models
def test_url_is_nobody(singapore: str, control: ControlClient, photos: dict[str, bytes]) -> None:
    url = "https://photos.example.com/a.jpg"
    query = {"MerchantBizId": new_id(), "SourceFacePictureUrl": url}
    by_photo = send(
        singapore, sign(singapore, query=query, form={"TargetFacePicture": to_base64(photos["source"])})
    )
    query |= {"MerchantBizId": new_id(), "TargetFacePictureUrl": f"{url}?signature=x"}
    by_url = send(singapore, sign(singapore, query=query, form={}))

    assert by_photo.document["Result"]["Passed"] == "N"
    assert by_url.document["Result"]["FaceComparisonScore"] == 100
    assert control.last_call()["pictures"] == {"source": None, "target": None}


@needs_models
def test_quality_comes_from_the_face(photos: dict[str, bytes]) -> None:
    with Image.open(BytesIO(photos["source"])) as image:
        image.load()
    changed = {
        "blurred": image.filter(ImageFilter.GaussianBlur(6)),
        "dark": ImageEnhance.Brightness(image).enhance(0.35),
        "cut off": image.crop((0, 380, image.width, image.height)),
    }
    whole, blurred, dark, cut_off, small = (
        face.quality
        for face in find(
            photos["source"],
            *(encode(one, quality=95) for one in changed.values()),
            paste((photos["source"], 300, (300, 300))),
        )
    )
    assert whole.occlusion == 0
    assert blurred.sharpness < whole.sharpness - 10
    assert dark.illumination < whole.illumination - 10
    assert cut_off.occlusion > 1
    assert small.overall < whole.overall - 5
    for quality in (blurred, dark):
        assert quality.overall < whole.overall


@needs_models
def test_other_calls_are_answered_while_faces_are_compared(
    addresses: Addresses, photos: dict[str, bytes]
) -> None:
    """The order of their ends shows it: a keepalive that begins later ends sooner."""
    ended: list[str] = []
    address = addresses.address("hong-kong")
    control = ControlClient(addresses.control.removeprefix("http://"))
    # Both are new to the judge, and the second is searched for small faces, too.
    pair = {"SourceFacePicture": to_base64(paste((photos["target"], 400, (7, 9)))), "TargetFacePicture": ""}
    pair["TargetFacePicture"] = to_base64(encode(Image.effect_noise((1080, 1920), 30), quality=50))

    def call(operation: str, form: dict[str, str]) -> None:
        send(address, sign(address, form=form, x_acs_action=operation))
        ended.append(operation)

    control.play({"region": "hong-kong"})
    comparing = threading.Thread(target=call, args=("FaceCompare", pair))
    comparing.start()
    for _ in range(10_000):
        if control.ask("GET", "/scenarios").document[0]["played"]:
            break
    call("KeepaliveIntl", {})
    comparing.join()
    control.reset()
    assert ended == ["KeepaliveIntl", "FaceCompare"]


@needs_models
def test_a_repeated_photo_is_examined_once(photos: dict[str, bytes]) -> None:
    first, second = find(photos["source"], photos["source"])
    assert first is second


@needs_models
def test_a_worker_that_ends_is_replaced(photos: dict[str, bytes]) -> None:
    async def run() -> list[str]:
        judge = FaceJudge(workers=1)
        await judge.start()
        (worker,) = judge._workers
        worker._process.kill()
        codes = []
        for _ in range(2):
            try:
                await judge.find_face(photos["source"])
                codes.append("Success")
            except Refusal as refusal:
                codes.append(refusal.code)
        await judge.stop()
        return codes

    assert asyncio.run(run()) == ["InternalError", "Success"]


def test_missing_models_end_it_with_one_sentence(tmp_path: Path) -> None:
    async def start() -> None:
        await FaceJudge(tmp_path).start()

    with pytest.raises(JudgeError, match=f"The model {LANDMARKS} is not in .*make .local/faces/ready"):
        asyncio.run(start())
    program = [sys.executable, "-m", "facecompare_emulator", "--port", "0", "--models", str(tmp_path)]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "--judge pixels" in ended.stderr


def test_missing_dlib_ends_it_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "dlib.py").write_text("raise ImportError")
    ended = subprocess.run(
        [sys.executable, "-m", "facecompare_emulator.face_worker", str(DEFAULT_MODELS)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "dlib is not installed: run `pip install dlib-bin numpy`" in ended.stdout


@needs_models
def test_workers_end_with_an_emulator_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "facecompare_emulator", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline()
            program.kill()
            # The workers hold the other end of its standard error until they end.
            assert program.communicate(timeout=30) == (b"", b"")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
