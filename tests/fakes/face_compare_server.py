"""A server in the provider's place, over plain HTTP or TLS, and the certificates for it."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.emulator.clients import close_sdk_sessions

RESULT: Final = {"Passed": "Y", "FaceComparisonScore": 99.5, "TransactionId": "T1"}
BODY: Final = {"RequestId": "R1", "Code": "Success", "Message": "success", "Result": RESULT}


@dataclass(frozen=True)
class Request:
    """One request; `connection` is the client's port, `idle_s` how long it rested before."""

    action: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]
    connection: int
    idle_s: float


@dataclass(frozen=True)
class Reply:
    """What the server sends back; without a status it closes the connection instead."""

    document: object = None
    http_status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


class FaceCompareServer(ThreadingHTTPServer):
    """Answers each call by `reply`, and keeps connections open."""

    request_queue_size = 64

    def __init__(self, clock_s: Callable[[], float], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.clock_s = clock_s
        self.tls = tls
        self.reply: Callable[[Request], Reply] = lambda _: Reply(BODY)
        self.requests: list[Request] = []
        self.used_at_s: dict[int, float] = {}
        """When each connection was made or carried something, by the client's port."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def comparisons(self) -> list[Request]:
        return [request for request in self.requests if request.action.startswith("FaceCompare")]

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        self.used_at_s[address[1]] = self.clock_s()
        if self.tls:
            # The handshake follows with the first read, in the connection's own thread.
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """Keep quiet: a client that does not trust the server breaks the handshake."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaceCompareServer

    def do_POST(self) -> None:
        server, port = self.server, self.client_address[1]
        form = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        request = Request(
            action=self.headers["x-acs-action"],
            query=_read(urlsplit(self.path).query),
            form=_read(form),
            headers={name.lower(): value for name, value in self.headers.items()},
            connection=port,
            idle_s=server.clock_s() - server.used_at_s[port],
        )
        server.requests.append(request)
        reply = server.reply(request)
        server.used_at_s[port] = server.clock_s()
        if reply.http_status is None:
            self.close_connection = True
            return
        # Without a `Date` of its own.
        self.send_response_only(reply.http_status)
        for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _read(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


@contextmanager
def run_server(
    clock_s: Callable[[], float] = lambda: 0.0, tls: ssl.SSLContext | None = None
) -> Iterator[FaceCompareServer]:
    with FaceCompareServer(clock_s, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            close_sdk_sessions()


@dataclass(frozen=True)
class Authority:
    """A certificate authority for one test; `path` holds its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    path: Path

    def make_server_context(
        self, *, address: str = "127.0.0.1", lifetime: timedelta = timedelta(days=1)
    ) -> ssl.SSLContext:
        """Return what a server at `address` needs, by a certificate that ends after `lifetime`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
        builder = _start_certificate("server", self.certificate.subject, lifetime).public_key(
            key.public_key()
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            builder.add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.path.with_name("server.pem")
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def make_authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _start_certificate("authority", subject, timedelta(days=1))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "authority.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, path)


def _start_certificate(name: str, issuer: x509.Name, lifetime: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + lifetime)
    )
