import socket

import pytest

from facematch.domain.regions import Region
from facematch_cli.doctor.api import check_signed, check_unsigned
from facematch_cli.doctor.check import Level
from tests.fakes.api import FakeApi
from tests.integration.cli.environment import CliEnvironment


@pytest.mark.parametrize(("status", "level"), [(403, Level.OK), (200, Level.ERROR), (500, Level.ERROR)])
def test_only_403_is_right_for_an_unsigned_request(
    cli: CliEnvironment, api: FakeApi, status: int, level: Level
) -> None:
    api.answers.append((status, {}))

    check = check_unsigned(cli.stack.api_url)

    assert (check.level, str(status) in check.finding) == (level, True)
    ((request, headers, _),) = api.requests
    assert request == "POST /live/v1/uploads"
    assert "Authorization" not in headers


def test_a_signed_request_asks_for_upload_forms_only(cli: CliEnvironment, api: FakeApi) -> None:
    api.answers.append((201, {}))

    assert check_signed(cli.stack, Region.INDONESIA).level is Level.OK
    ((request, headers, body),) = api.requests
    assert request == "POST /live/v1/uploads"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256")
    assert b"indonesia" in body


@pytest.mark.parametrize("status", [403, 500])
def test_an_api_that_refuses_a_signed_request_is_found(
    cli: CliEnvironment, api: FakeApi, status: int
) -> None:
    api.answers.append((status, {"message": "No."}))

    assert check_signed(cli.stack, Region.SINGAPORE).level is Level.ERROR


def test_an_api_that_does_not_answer_is_found(cli: CliEnvironment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    cli.change_stack(api_url=f"http://127.0.0.1:{port}/live")

    assert check_unsigned(cli.stack.api_url).level is Level.ERROR
    assert check_signed(cli.stack, Region.SINGAPORE).level is Level.ERROR
