import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console import __main__ as program
from tests.factories.command import make_stack


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program.main, arguments)


def test_without_a_local_stack_the_message_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    ended = run()

    assert ended.exit_code == 1
    assert "Start a local stack with `make up`" in ended.output


def test_a_port_that_is_taken_is_reported_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "find_stack", lambda _place: make_stack())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = run("--port", str(port))

    assert ended.exit_code == 1
    assert f"Port {port} on 127.0.0.1 is in use. Choose another with PORT=" in ended.output
