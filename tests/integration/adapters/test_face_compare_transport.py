"""When a call leaves, on which connection, and what is known of one that brought no answer."""

import gc
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from darabonba.core import DaraCore
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool

from facematch import __version__
from facematch.adapters.face_compare import IDLE_LIMIT_S, FaceCompareEndpoint, FaceCompareProvider
from facematch.domain.errors import ProviderError, ProviderFaultError, UnreachableError
from facematch.domain.provider import send_at_once
from facematch.domain.regions import Region
from tests.factories import make_call
from tests.fakes.clock import FakeClock
from tests.fakes.face_compare_server import (
    Authority,
    FaceCompareServer,
    Reply,
    make_authority,
    run_server,
)
from tests.fakes.provider import FixedCredentials
from tests.integration.emulator.clients import close_sdk_sessions

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

SINGAPORE = Region.SINGAPORE
CLOSES_AFTER_S = 5.0
"""How long the provider's page lets a connection rest."""


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    yield
    close_sdk_sessions()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[FaceCompareServer]:
    with run_server(clock.now_s) as server:
        yield server


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    return authority


def make_provider(
    address: str, clock: FakeClock | None = None, protocol: str = "HTTP"
) -> FaceCompareProvider:
    return FaceCompareProvider(
        {SINGAPORE: FaceCompareEndpoint(address, protocol)},
        FixedCredentials(),
        connect_timeout_s=0.3,
        read_timeout_s=5,
        clock_s=(clock or FakeClock()).now_s,
    )


def fail_to_compare(provider: FaceCompareProvider) -> ProviderError:
    with pytest.raises(ProviderError) as failure:
        provider.compare(make_call())
    return failure.value


@contextmanager
def run_raw_server(converse: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that does `converse` with each peer; yield its address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
        listener.settimeout(0.01)

        def accept() -> None:
            while not over.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                threads.submit(serve, peer)

        def serve(peer: socket.socket) -> None:
            with peer:
                peer.settimeout(5)
                converse(peer)
                over.wait(5)

        threads.submit(accept)
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            close_sdk_sessions()
            gc.collect()  # urllib3 closes the connections of a pool when nothing refers to it any more.


def find_dead_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


class TestTls:
    def test_a_trusted_provider_is_called_and_its_connection_kept(
        self, authority: Authority, clock: FakeClock
    ) -> None:
        with run_server(clock.now_s, authority.make_server_context()) as server:
            provider = make_provider(server.address, clock, "HTTPS")
            for _ in range(3):
                clock.advance(1)
                assert provider.compare(make_call()).code == "Success"
        assert len({request.connection for request in server.requests}) == 1

    @pytest.mark.parametrize(
        "make_context",
        [
            lambda authority: authority.make_server_context(lifetime=timedelta(days=-1)),
            lambda authority: authority.make_server_context(address="127.0.0.2"),
            lambda authority: make_authority(make_folder(authority)).make_server_context(),
        ],
        ids=["expired", "for another host", "of an unknown authority"],
    )
    def test_a_certificate_that_is_not_trusted_keeps_the_call_back(
        self, authority: Authority, make_context: Callable[[Authority], ssl.SSLContext]
    ) -> None:
        with run_server(tls=make_context(authority)) as server:
            failure = fail_to_compare(make_provider(server.address, protocol="HTTPS"))
        assert type(failure) is UnreachableError
        assert not failure.possibly_billed
        assert server.requests == []

    def test_a_peer_without_tls_was_never_asked(self, server: FaceCompareServer) -> None:
        failure = fail_to_compare(make_provider(server.address, protocol="HTTPS"))
        assert type(failure) is UnreachableError
        assert server.requests == []

    @pytest.mark.parametrize(
        "converse",
        [
            lambda peer: peer.close(),
            lambda peer: (peer.recv(100), peer.close()),
            lambda peer: (peer.recv(100), peer.sendall(b"\x15\x03\x03\x00\x02\x02\x28")),
            lambda peer: peer.recv(100_000),
        ],
        ids=["closes", "closes after the hello", "sends a fatal alert", "says nothing"],
    )
    def test_a_peer_that_breaks_the_handshake_was_never_asked(
        self, converse: Callable[[socket.socket], None]
    ) -> None:
        with run_raw_server(converse) as address:
            failure = fail_to_compare(make_provider(address, protocol="HTTPS"))
        assert type(failure) is UnreachableError

    def test_a_connection_that_breaks_after_the_call_left_may_have_been_billed(
        self, authority: Authority
    ) -> None:
        with run_server(tls=authority.make_server_context()) as server:
            server.reply = lambda _: Reply(http_status=None)
            failure = fail_to_compare(make_provider(server.address, protocol="HTTPS"))
        assert type(failure) is ProviderFaultError
        assert (failure.code, failure.possibly_billed) == ("connection_lost", True)


def make_folder(authority: Authority) -> Path:
    folder = authority.path.parent / "other"
    folder.mkdir()
    return folder


def relay(peer: socket.socket, tunnels: list[str]) -> None:
    """Be a proxy that tunnels, as CONNECT asks."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(4096)
    target = head.split()[1].decode()
    tunnels.append(target)
    host, _, port = target.partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as upstream:
        peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(upstream, peer))
        back.start()
        pump(peer, upstream)
        back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class TestProxies:
    @pytest.mark.parametrize("protocol", ["HTTP", "HTTPS"])
    def test_a_dead_proxy_keeps_the_call_back(
        self, server: FaceCompareServer, monkeypatch: pytest.MonkeyPatch, protocol: str
    ) -> None:
        monkeypatch.setenv(f"{protocol}_PROXY", f"http://{find_dead_address()}")
        failure = fail_to_compare(make_provider(server.address, protocol=protocol))
        assert type(failure) is UnreachableError
        assert server.requests == []

    @pytest.mark.parametrize("http_status", [403, 407, 502])
    def test_a_proxy_that_refuses_the_tunnel_keeps_the_call_back(
        self, monkeypatch: pytest.MonkeyPatch, http_status: int
    ) -> None:
        def refuse(peer: socket.socket) -> None:
            peer.recv(4096)
            peer.sendall(f"HTTP/1.1 {http_status} No\r\ncontent-length: 0\r\n\r\n".encode())

        with run_raw_server(refuse) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
            failure = fail_to_compare(make_provider("127.0.0.1:9", protocol="HTTPS"))
        assert type(failure) is UnreachableError

    @pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
    @pytest.mark.parametrize("hosts", ["127.0.0.1", "example.com,127.0.0.0/8", "*"])
    @pytest.mark.parametrize("protocol", ["HTTP", "HTTPS"])
    def test_no_proxy_is_honoured(
        self,
        authority: Authority,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        hosts: str,
        protocol: str,
    ) -> None:
        monkeypatch.setenv(f"{protocol}_PROXY", f"http://{find_dead_address()}")
        monkeypatch.setenv(variable, hosts)
        tls = authority.make_server_context() if protocol == "HTTPS" else None
        with run_server(tls=tls) as server:
            assert make_provider(server.address, protocol=protocol).compare(make_call()).code == "Success"

    def test_a_call_takes_the_tunnel_again_when_its_connection_became_stale(
        self, authority: Authority, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tunnels: list[str] = []
        with (
            run_server(clock.now_s, authority.make_server_context()) as server,
            run_raw_server(lambda peer: relay(peer, tunnels)) as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
            provider = make_provider(server.address, clock, "HTTPS")
            for wait_s in (0, 3, 6):
                answer = provider.compare(make_call(), lambda wait_s=wait_s: clock.advance(wait_s))  # type: ignore[misc]
                assert answer.code == "Success"
        assert tunnels == [server.address] * 2
        assert max(request.idle_s for request in server.requests) < CLOSES_AFTER_S


class TestConnections:
    def test_a_connection_that_was_used_just_now_is_used_again(
        self, server: FaceCompareServer, clock: FakeClock
    ) -> None:
        provider = make_provider(server.address, clock)
        for _ in range(5):
            provider.compare(make_call())
            clock.advance(IDLE_LIMIT_S - 0.1)
        assert len({request.connection for request in server.requests}) == 1

    def test_a_connection_that_rested_too_long_is_not(
        self, server: FaceCompareServer, clock: FakeClock
    ) -> None:
        provider = make_provider(server.address, clock)
        for _ in range(5):
            provider.compare(make_call())
            clock.advance(IDLE_LIMIT_S)
        assert len({request.connection for request in server.requests}) == 5

    def test_a_clock_that_was_set_back_makes_a_connection_stale(
        self, server: FaceCompareServer, clock: FakeClock
    ) -> None:
        provider = make_provider(server.address, clock)
        for _ in range(2):
            provider.compare(make_call())
            clock.advance(-1)
        assert len({request.connection for request in server.requests}) == 2

    def test_a_call_that_waits_long_for_its_slot_leaves_on_a_new_connection(
        self, server: FaceCompareServer, clock: FakeClock
    ) -> None:
        departures: list[float] = []

        def before_send() -> None:
            departures.append(clock.now_s())
            clock.advance(30)

        provider = make_provider(server.address, clock)
        provider.warm_up(SINGAPORE)
        assert provider.compare(make_call(), before_send).code == "Success"
        assert len(departures) == 1
        assert [request.idle_s for request in server.comparisons()] == [0]

    def test_a_call_connects_before_it_waits_for_its_slot(self) -> None:
        waited: list[str] = []
        with pytest.raises(UnreachableError):
            make_provider(find_dead_address()).compare(make_call(), lambda: waited.append("for the slot"))
        assert waited == []

    @pytest.mark.parametrize("threads", [1, 3, 8])
    def test_no_call_of_any_thread_leaves_on_a_connection_that_the_provider_may_have_closed(
        self, server: FaceCompareServer, clock: FakeClock, threads: int
    ) -> None:
        rounds, draw = 40, random.Random(threads)  # noqa: S311 - a fixed sequence
        # All have taken their connections when the clock moves on, and none is between check and arrival.
        gate = threading.Barrier(
            threads, action=lambda: clock.advance(draw.choice([0, 0.5, 2, 3.9, 4, 5, 9]))
        )
        provider = make_provider(server.address, clock)

        def work() -> None:
            for _ in range(rounds):
                assert provider.compare(make_call(), lambda: gate.wait(5)).code == "Success"  # type: ignore[arg-type]
                gate.wait(5)

        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(work) for _ in range(threads)]:
                done.result()

        idle_s = [request.idle_s for request in server.comparisons()]
        assert len(idle_s) == rounds * threads
        assert [one for one in idle_s if one > CLOSES_AFTER_S] == []
        assert len({request.connection for request in server.requests}) < rounds * threads

    def test_making_ready_connects_unless_a_connection_was_used_just_now(
        self, server: FaceCompareServer, clock: FakeClock
    ) -> None:
        provider = make_provider(server.address, clock)
        for pause_s in (0, 1, IDLE_LIMIT_S):
            clock.advance(pause_s)
            provider.warm_up(SINGAPORE)
        assert [request.action for request in server.requests] == ["KeepaliveIntl"] * 2

    @pytest.mark.parametrize("http_status", [None, 200, 302, 403, 500])
    def test_making_ready_passes_over_trouble(
        self, server: FaceCompareServer, http_status: int | None
    ) -> None:
        server.reply = lambda _: Reply(b"<html>", http_status, {"location": "http://127.0.0.1:9/"})
        make_provider(server.address).warm_up(SINGAPORE)
        assert len(server.requests) == 1

    def test_making_ready_passes_over_a_provider_that_is_not_there(self) -> None:
        make_provider(find_dead_address()).warm_up(SINGAPORE)

    def test_a_redirect_is_not_followed(self, server: FaceCompareServer, clock: FakeClock) -> None:
        with run_server(clock.now_s) as elsewhere:
            server.reply = lambda _: Reply({}, 307, {"location": f"http://{elsewhere.address}/"})
            failure = fail_to_compare(make_provider(server.address))
        assert (failure.code, failure.possibly_billed) == ("unreadable_answer", True)
        assert elsewhere.requests == []


class TestDeparture:
    def test_each_thread_waits_for_its_own_slot(self, server: FaceCompareServer) -> None:
        provider = make_provider(server.address)
        departed: list[str] = []

        def compare(name: str) -> None:
            provider.compare(
                make_call(), lambda: departed.append(f"{name} {threading.current_thread().name}")
            )

        threads = [threading.Thread(target=compare, args=(name,), name=name) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(departed) == [f"{name} {name}" for name in "abcdefgh"]

    @pytest.mark.parametrize(
        "error", [OSError, BrokenPipeError, TimeoutError, ConnectionResetError, KeyboardInterrupt]
    )
    def test_what_keeps_a_call_back_comes_out_unchanged_whatever_it_is(
        self, server: FaceCompareServer, error: type[BaseException]
    ) -> None:
        kept = error("a reason")

        def stay() -> None:
            raise kept

        with pytest.raises(error) as raised:
            make_provider(server.address).compare(make_call(), stay)
        assert raised.value is kept
        assert server.comparisons() == []


def send_past_the_transport(request: Any, _: Any = None) -> Any:
    """Do what an SDK with a transport of another making would do."""
    url = f"http://{request.headers['host']}/"
    response = requests.post(url, params=request.query, data=request.body, headers=request.headers, timeout=5)
    request.status_code, request.body = response.status_code, response.content
    request.headers = dict(response.headers)
    return request


class TestChangedSdk:
    def test_an_sdk_that_makes_its_own_adapters_makes_no_comparison(
        self, server: FaceCompareServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(DaraCore, "get_adapter", lambda *_, **__: HTTPAdapter())
        with pytest.raises(RuntimeError, match="transport"):
            make_provider(server.address).compare(make_call(), send_at_once)
        assert server.comparisons() == []

    def test_an_sdk_that_sends_in_another_way_makes_no_comparison(
        self, server: FaceCompareServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(DaraCore, "do_action", staticmethod(send_past_the_transport))
        with pytest.raises(RuntimeError, match="transport"):
            make_provider(server.address).compare(make_call(), send_at_once)
        assert [request.action for request in server.requests] == ["KeepaliveIntl"]

    def test_connections_of_another_making_show_at_the_first_free_call(
        self, server: FaceCompareServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with HTTPConnectionPool("127.0.0.1", server.port) as pool:
            monkeypatch.setattr(HTTPAdapter, "get_connection_with_tls_context", lambda *_, **__: pool)
            with pytest.raises(RuntimeError, match="transport"):
                make_provider(server.address).warm_up(SINGAPORE)
        assert server.comparisons() == []


def test_each_call_names_the_program_and_its_version(server: FaceCompareServer) -> None:
    make_provider(server.address).compare(make_call())
    assert server.requests[0].headers["user-agent"].endswith(f" facematch/{__version__}")
