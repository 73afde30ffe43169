import gc
from collections.abc import Iterator

import pytest

from facematch.domain.errors import ConfigurationError
from facematch.handlers.start import finish_start


@pytest.fixture(autouse=True)
def _paused_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def make_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "compare")


def test_garbage_is_looked_for_again_once_a_function_has_started() -> None:
    finish_start()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_function_wires_what_its_first_event_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    make_function(monkeypatch)
    wired: list[str] = []
    finish_start(lambda: wired.append("desk"), lambda: wired.append("worker"))

    assert wired == ["desk", "worker"]


def test_elsewhere_nothing_is_wired_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    wired: list[str] = []
    finish_start(lambda: wired.append("worker"))

    assert wired == []


def test_a_fault_of_the_settings_is_reported_at_the_first_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_function(monkeypatch)

    def wire() -> None:
        raise ConfigurationError("The environment variable TABLE_NAME is missing or empty.")

    finish_start(wire)
    assert gc.isenabled()
