import json
import sys
from pathlib import Path

import click
import pytest

from facematch_cli.main import cli, run
from facematch_client.errors import CommandError, ExitCode
from tests.factories.photos import make_portrait


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == ExitCode.DONE
    assert f"Usage: facematch {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(set(cli.commands) - {"completion"}))
def test_every_command_can_speak_json(name: str) -> None:
    options = {option for parameter in cli.commands[name].params for option in parameter.opts}

    assert "--json" in options


@pytest.mark.parametrize("name", sorted(set(cli.commands) - {"completion", "prepare"}))
def test_every_command_that_needs_a_stack_lets_it_be_chosen(name: str) -> None:
    options = {option for parameter in cli.commands[name].params for option in parameter.opts}

    assert options >= {"--stack", "--local", "--profile", "--aws-region"}


def test_a_wrong_command_line_is_reported_in_one_sentence_with_a_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["submit"]) == ExitCode.USAGE

    reported = capsys.readouterr().err
    assert reported.count("\n") == 1
    assert "See `facematch submit --help`." in reported


def test_without_a_command_there_is_the_help_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == ExitCode.USAGE

    reported = capsys.readouterr().err
    assert reported.startswith("Usage: facematch")
    assert "See `" not in reported


@pytest.mark.parametrize("option", [["--again"], ["--pair-id", "pair-1"]])
def test_a_direct_call_takes_nothing_that_only_the_stack_could_keep(option: list[str]) -> None:
    assert run(["compare", "a.jpg", "b.jpg", "--direct", "--region", "singapore", *option]) == ExitCode.USAGE


def test_a_direct_call_without_the_sdk_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "facematch.adapters.face_compare", None)
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(make_portrait(name))

    assert run(["compare", "a.jpg", "b.jpg", "--direct", "--region", "singapore"]) == ExitCode.USAGE
    assert "`pip install './cli[direct]'`" in capsys.readouterr().err


def test_a_price_for_a_region_that_resembles_one_is_answered_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["status", "--price", "Hong Kong=0.1"]) == ExitCode.USAGE
    assert "Did you mean hong-kong?" in capsys.readouterr().err


def test_the_reason_of_an_error_is_in_its_last_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command("refuse")
    def refuse() -> None:
        raise CommandError("It has 9 bytes. The limit is 8 bytes.", ExitCode.REFUSED, "file_too_large")

    monkeypatch.setitem(cli.commands, "refuse", refuse)

    assert run(["refuse"]) == ExitCode.REFUSED
    assert capsys.readouterr().err.endswith("The limit is 8 bytes (file_too_large).\n")


def test_for_a_program_an_error_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == ExitCode.USAGE

    error = json.loads(capsys.readouterr().err)["error"]
    assert error["exit_code"] == ExitCode.USAGE
    assert "--stack" in error["message"]


@pytest.mark.parametrize("price", ["singapore", "atlantis=1", "singapore=cheap"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    assert run(["status", "--local", "--price", price]) == ExitCode.USAGE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == ExitCode.DONE
    assert "_FACEMATCH_COMPLETE" in capsys.readouterr().out


def test_an_interrupt_has_its_own_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("wait")
    def wait() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.commands, "wait", wait)

    assert run(["wait"]) == ExitCode.INTERRUPTED


def test_a_file_that_cannot_be_written_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(make_portrait(1))
    (tmp_path / "taken").write_text("a file, no folder")

    assert run(["prepare", str(tmp_path / "a.jpg"), "-o", str(tmp_path / "taken")]) == ExitCode.REFUSED
    assert f"Cannot use the file {tmp_path / 'taken'}" in capsys.readouterr().err
