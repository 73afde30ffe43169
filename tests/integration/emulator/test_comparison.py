import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from PIL import Image

from facecompare_emulator import DataLimit, Rules, run_emulator
from facematch.domain.regions import Network, Region
from tests.factories.photos import PORTRAIT, STRANGER, draw_portrait, encode, to_base64
from tests.integration.emulator.clients import ControlClient, compare, exchange, new_id, send, sign

URL = "https://photos.example.com/a.jpg"


def refused_code(address: str, **fields: str | None) -> str:
    with pytest.raises(ClientException) as refusal:
        compare(address, **fields)  # type: ignore[arg-type] # the timeout is not among them
    return str(refusal.value.code)


def photo(width: int, height: int, image_format: str = "JPEG") -> str:
    return to_base64(encode(draw_portrait(width, height), image_format))


def test_score_comes_from_the_pixels(singapore: str) -> None:
    same = compare(singapore)
    recompressed = compare(singapore, target_face_picture=to_base64(encode(draw_portrait(), quality=40)))
    stranger = [compare(singapore, target_face_picture=STRANGER).result for _ in range(2)]

    assert (same.result.face_comparison_score, same.result.passed) == (100, "Y")
    assert 95 < recompressed.result.face_comparison_score <= 100
    assert (stranger[0].passed, stranger[0].face_comparison_score) == ("N", stranger[1].face_comparison_score)
    assert stranger[0].face_comparison_score < 70
    assert stranger[0].transaction_id != stranger[1].transaction_id
    assert same.result.ext_face_info is None


def test_quality_check_scores_both_photos(singapore: str) -> None:
    info = compare(singapore, face_quality_check="Y").result.ext_face_info.to_map()

    assert info.keys() == {
        f"{prefix}{name}Score"
        for prefix in ("", "Target")
        for name in ("FaceQuality", "Illumination", "KaOcclusion", "Occlusion", "Sharpness")
    }
    assert all(isinstance(score, float) and 0 <= score <= 100 for score in info.values())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"merchant_biz_id": None}, "MissingParameter"),
        ({"merchant_biz_id": "a" * 33}, "InvalidParameter"),
        ({"merchant_biz_id": "not-alphanumeric"}, "InvalidParameter"),
        ({"source_face_picture": None}, "MissingParameter"),
        ({"target_face_picture": None}, "MissingParameter"),
        ({"source_face_picture_url": URL}, "DataDuplication"),
        ({"target_face_picture_url": URL}, "DataDuplication"),
        ({"target_face_picture": "not base64!"}, "InvalidParameter"),
        ({"target_face_picture": "A" * (1024 * 1024 + 4)}, "ToolargeImage"),
        ({"target_face_picture": to_base64(b"not a photo")}, "UnqualifiedPhoto"),
        ({"target_face_picture": PORTRAIT[: len(PORTRAIT) // 8 * 4]}, "UnqualifiedPhoto"),
        ({"target_face_picture": photo(480, 640)}, None),
        ({"target_face_picture": photo(640, 480)}, None),
        ({"target_face_picture": photo(479, 640)}, "UnqualifiedPhoto"),
        ({"target_face_picture": photo(480, 639)}, "UnqualifiedPhoto"),
        ({"target_face_picture": photo(1080, 1920)}, None),
        ({"target_face_picture": photo(1081, 1920)}, "UnqualifiedPhoto"),
        ({"target_face_picture": photo(1080, 1921)}, "UnqualifiedPhoto"),
        ({"target_face_picture": photo(480, 640, "PNG")}, None),
        ({"target_face_picture": photo(480, 640, "WEBP")}, "UnqualifiedPhoto"),
        ({"target_face_picture": photo(480, 640, "GIF")}, "UnqualifiedPhoto"),
        ({"source_face_picture": to_base64(encode(Image.new("L", (720, 960), 90)))}, "NoFaceDetected"),
        (
            {"target_face_picture": None, "target_face_picture_url": "ftp://example.com/a.jpg"},
            "InvalidParameter",
        ),
        ({"target_face_picture": None, "target_face_picture_url": "http://[broken"}, "InvalidParameter"),
        (
            {"target_face_picture": None, "target_face_picture_url": "http://169.254.169.254/"},
            "DownloadTimeout",
        ),
        ({"target_face_picture": None, "target_face_picture_url": "http://localhost/"}, "DownloadTimeout"),
    ],
)
def test_rules_of_the_api_page(
    singapore: str, control: ControlClient, fields: dict[str, str | None], code: str | None
) -> None:
    if code is None:
        assert compare(singapore, **fields).code == "Success"  # type: ignore[arg-type] # no timeout there
    else:
        assert refused_code(singapore, **fields) == code

    call = control.last_call()
    assert (call["code"], call["compared"]) == (code or "Success", code is None)


def test_request_limit_counts_both_pictures() -> None:
    half = "A" * (600 * 1024)
    for limit, code in ((DataLimit.PICTURE, "UnqualifiedPhoto"), (DataLimit.REQUEST, "ToolargeImage")):
        with run_emulator(Rules(data_limit=limit)) as addresses:
            address = addresses.address("hong-kong")
            assert refused_code(address, source_face_picture=half, target_face_picture=half) == code


def test_body_beyond_reason_is_too_large(singapore: str, control: ControlClient) -> None:
    headers = {"content-length": str(80 * 1024 * 1024), "connection": "close"}
    response = exchange(singapore, "POST", "/", b"", headers)
    assert (response.http_status, response.code) == (401, "ToolargeImage")
    assert control.last_call()["code"] == "ToolargeImage"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"cut off", mtime=0)[:-4]),
        ("x-gzip", b""),
        ("deflate", b"not deflate"),
        ("br", b"not supported"),
        ("zstd", b"not supported"),
        ("gzip, br", gzip.compress(b"whole", mtime=0)),
        ("nonsense", b"anything"),
        ("é", b"anything"),
    ],
)
def test_body_that_cannot_be_decoded_is_refused(
    singapore: str, control: ControlClient, encoding: str, body: bytes
) -> None:
    headers = {"content-encoding": encoding, "x-acs-action": "FaceCompare"}
    response = exchange(singapore, "POST", "/", body, headers)

    assert (response.http_status, response.code) == (400, "InvalidParameter")
    assert response.document["HostId"] == "cloudauth-intl.ap-southeast-1.aliyuncs.com"
    call = control.last_call()
    assert (call["action"], call["code"], call["compared"]) == ("FaceCompare", "InvalidParameter", False)


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("Deflate", zlib.compress), ("identity", bytes)]
)
def test_compressed_body_is_read(singapore: str, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    request = sign(singapore)
    headers = {**request.headers, "content-encoding": encoding}
    assert send(singapore, replace(request, headers=headers, body=compress(request.body))).code == "Success"


def test_compressed_body_is_not_inflated_beyond_reason(singapore: str) -> None:
    bomb = gzip.compress(bytes(65 * 1024 * 1024))
    response = exchange(singapore, "POST", "/", bomb, {"content-encoding": "gzip"})
    assert response.code == "ToolargeImage"


def test_bytes_that_are_not_utf_8_are_refused_as_all_others(singapore: str, control: ControlClient) -> None:
    request = sign(singapore)
    headers = {**request.headers, "authorization": request.headers["authorization"] + "\xff"}
    response = exchange(singapore, "POST", "/?a=%FF", request.body, headers)
    assert response.code == "IncompleteSignature"
    assert control.last_call()["code"] == "IncompleteSignature"


@pytest.mark.parametrize("expectation", ["100-continue", "nonsense", "\xff"])
def test_body_that_is_announced_is_awaited(singapore: str, expectation: str) -> None:
    request = sign(singapore)
    headers = {**request.headers, "expect": expectation}
    assert send(singapore, replace(request, headers=headers)).code == "Success"


def test_url_represents_its_photo(singapore: str, control: ControlClient) -> None:
    def score(source: str, target: str) -> float:
        fields: dict[str, Any] = {"source_face_picture": None, "target_face_picture": None}
        body = compare(singapore, source_face_picture_url=source, target_face_picture_url=target, **fields)
        return float(body.result.face_comparison_score)

    assert score(URL, f"{URL}?X-Amz-Signature=secret") == 100
    assert score(URL, "https://photos.example.com/b.jpg") < 50
    call = control.last_call()
    assert call["pictures"] == {"source": None, "target": None}
    assert "example.com" not in str(call)


def test_each_parameter_may_come_in_query_or_form(singapore: str) -> None:
    form = {"MerchantBizId": new_id(), "SourceFacePictureUrl": URL, "TargetFacePictureUrl": URL}
    assert send(singapore, sign(singapore, query={}, form=form)).code == "Success"
    assert send(singapore, sign(singapore, query=form, form={})).code == "Success"


def test_query_is_signed_in_its_canonical_form(singapore: str) -> None:
    url = "https://photos.example.com/a b+c~d*é/日.jpg?x=1&y=%20"
    assert compare(singapore, source_face_picture=None, source_face_picture_url=url).code == "Success"


def test_call_log_has_the_call_and_no_photo(singapore: str, control: ControlClient) -> None:
    merchant_biz_id = new_id()
    exif = Image.Exif()
    exif[0x010E] = "a description"
    with_metadata = encode(draw_portrait(640, 800), exif=exif)
    for _ in range(2):
        compare(singapore, merchant_biz_id=merchant_biz_id, target_face_picture=to_base64(with_metadata))

    first, second = control.calls()
    assert first["received_at"] <= second["received_at"]
    assert len(first.pop("received_at")) == len("2026-01-01T00:00:00.000Z")
    assert first.pop("duration_ms") >= 0
    assert len(first.pop("transaction_id")) == 32
    assert first == {
        "region": "singapore",
        "network": "public",
        "host": "cloudauth-intl.ap-southeast-1.aliyuncs.com",
        "action": "FaceCompare",
        "merchant_biz_id": merchant_biz_id,
        "duplicate_merchant_biz_id": False,
        "code": "Success",
        "http_status": 200,
        "compared": True,
        "delivery": "send",
        "scenario": None,
        "pictures": {
            "source": {
                "format": "JPEG",
                "width": 720,
                "height": 960,
                "size_bytes": len(PORTRAIT) * 3 // 4 - PORTRAIT.count("="),
                "has_metadata": False,
                "faces": None,
                "face_box": None,
            },
            "target": {
                "format": "JPEG",
                "width": 640,
                "height": 800,
                "size_bytes": len(with_metadata),
                "has_metadata": True,
                "faces": None,
                "face_box": None,
            },
        },
    }
    assert second["duplicate_merchant_biz_id"]


def test_call_log_is_filtered_and_cleared(singapore: str, control: ControlClient) -> None:
    compare(singapore)

    assert len(control.calls("?region=singapore")) == 1
    assert control.calls("?region=malaysia") == []
    assert control.ask("GET", "/calls?region=mars").http_status == 400
    compare(singapore, merchant_biz_id="wanted")
    assert control.calls("?merchant_biz_id=wanted") == control.calls()[-1:]
    compare(singapore)
    assert control.calls("?last=1") == control.calls()[-1:]
    assert control.ask("GET", "/calls?last=few").http_status == 400
    assert control.ask("DELETE", "/calls").http_status == 204
    assert control.calls() == []


def test_control_port_says_what_it_is(control: ControlClient) -> None:
    assert control.ask("GET", "/health").document == {"status": "ok"}
    about = control.ask("GET", "").document
    assert about["judge"] == "pixels"
    assert "No face is detected or compared." in about["about"]
    assert about["endpoints"] == control.ask("GET", "/endpoints").document
    assert len({endpoint["address"] for endpoint in about["endpoints"]}) == len(Region) * len(Network)
