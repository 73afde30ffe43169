"""Photos are sent only to the provider's host, and only over verified TLS."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
from facematch.domain.errors import ProviderError
from facematch.domain.provider import Call, Credentials, EncodedPhoto
from facematch.domain.regions import Region
from tests.fakes.http_server import FakeHttpServer, Response, run_http_server

CALL = Call(
    region=Region.SINGAPORE,
    merchant_biz_id="a" * 32,
    source=EncodedPhoto(b"source"),
    target=EncodedPhoto(b"target"),
    face_quality_check=False,
)


class Key:
    def read(self) -> Credentials:
        return Credentials("key-id", "key-secret")

    def invalidate(self) -> None:
        pass


def compare_at(server: FakeHttpServer, protocol: str) -> None:
    """Call the server as if it was the provider. Its answers are no verdicts."""
    endpoint = FaceCompareEndpoint(f"127.0.0.1:{server.server_address[1]}", protocol)
    with pytest.raises(ProviderError):
        FaceCompareProvider({Region.SINGAPORE: endpoint}, Key()).compare(CALL)


@contextmanager
def run_imposter(folder: Path) -> Iterator[FakeHttpServer]:
    """Run a server with an untrusted certificate during the block."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "-")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = folder / "imposter.pem"
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with run_http_server(lambda _: Response(b"{}")) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_photos_do_not_follow_a_redirect(status: int) -> None:
    with (
        run_http_server(lambda _: Response(b"{}")) as elsewhere,
        run_http_server(lambda _: Response(b"", status, {"Location": elsewhere.url})) as provider,
    ):
        compare_at(provider, "HTTP")
        assert len(provider.requests) == 1
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "environment",
    [{}, {"CURL_CA_BUNDLE": ""}, {"REQUESTS_CA_BUNDLE": ""}, {"PYTHONHTTPSVERIFY": "0"}, {"DEBUG": "sdk"}],
    ids=str,
)
def test_nothing_is_sent_to_an_untrusted_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with run_imposter(tmp_path) as imposter:
        compare_at(imposter, "HTTPS")
        assert imposter.requests == []


def test_the_same_host_would_be_sent_photos_if_it_were_not_for_its_certificate() -> None:
    with run_http_server(lambda _: Response(b"{}")) as server:
        compare_at(server, "HTTP")
        assert [set(request.form) for request in server.requests] == [
            {"SourceFacePicture", "TargetFacePicture"}
        ]
