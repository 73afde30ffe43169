import pytest

from facematch.domain.errors import InvalidInputError
from facematch.domain.photo_url import check_photo_url

FIELD = "target.url"


def make_url_of_length(length: int) -> str:
    return "https://photos.com/".ljust(length, "a")


@pytest.mark.parametrize(
    "url",
    [
        "https://photos.com/a.jpg",
        "http://photos.com/a.jpg",
        "HTTPS://Photos.COM/A.jpg",
        "https://photos.com",
        "https://photos.com:8443/a.jpg",
        "https://photos.com./a.jpg",
        "https://bucket.s3.ap-southeast-1.amazonaws.com/a%20b.jpg?X-Amz-Signature=0a&x=1+1#top",
        "https://my_bucket.oss-ap-southeast-5.aliyuncs.com/a.jpg",
        "https://xn--e1afmkfd.xn--p1ai/a.jpg",
        "https://photos.com/?next=http://169.254.169.254/",
        "https://photos.com/user@host",
        "https://photos.com/a//user@host",
        "https://8.8.8.8/a.jpg",
        "https://[2606:4700:4700::1111]/a.jpg",
        "https://[::ffff:8.8.8.8]/a.jpg",
        "https://[2002:808:808::1]/a.jpg",
        "https://[64:ff9b::808:808]/a.jpg",
        "https://localhost.photos.com/a.jpg",
        "https://internal.photos.com/a.jpg",
        make_url_of_length(2048),
    ],
)
def test_a_url_on_a_public_host_is_accepted(url: str) -> None:
    check_photo_url(url, field=FIELD)


@pytest.mark.parametrize(
    "url",
    [
        # Every spelling of the metadata service that a resolver would take.
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254./",
        "http://169.254.169.254:80/",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0251.0376.0251.0376/",
        "http://025177524776/",
        "http://169.254.43518/",
        "http://169.16689662/",
        "http://0xa9.254.0251.254/",
        "http://00000000251.254.169.254/",
        "http://2852039166./",
        "http://0xA9FEA9FE.:8080/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[64:ff9b:1::a9fe:a9fe]/",
        "http://[::169.254.169.254]/",
        "http://[::ffff:0:169.254.169.254]/",
        "http://[2001:0:4136:e378:8000:63bf:5601:5601]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/latest/meta-data/",
        "http://168.63.129.16/machine",
        "http://[::ffff:168.63.129.16]/",
        # This machine.
        "http://localhost/",
        "http://LOCALHOST/",
        "http://localhost./",
        "http://a.localhost/",
        "http://localhost.localdomain/",
        "http://localhost4.localdomain4/",
        "http://localhost6.localdomain6/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        # Private, reserved, multicast.
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://192.168.257/",
        "http://100.64.0.1/",
        "http://192.0.2.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[fc00::1]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[2606:4700:4700::1111%25eth0]/",
        "http://[::ffff:8.8.8.8%25eth0]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://[2001:db8::1]/",
        "http://[4000::1]/",
        # Names that no public resolver knows.
        "http://metadata.google.internal/",
        "http://metadata.google.internal./",
        "http://METADATA.GOOGLE.INTERNAL/",
        "http://printer.local/",
        "http://router.lan/",
        "http://home.arpa/",
        "http://nas.home.arpa/",
        "http://nas.home/",
        "http://wiki.private/",
        "http://kubernetes.default.svc/",
        "http://wiki.corp/",
        "http://wiki.intranet/",
        "http://a.test/",
        "http://a.invalid/",
        "http://a.example/",
        "http://a.onion/",
        "http://intranet/",
        "http://photos/",
        # Neither a name nor an address.
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://08.8.8.8/",
        "http://-photos.com/",
        "http://photos-.com/",
        "http://photos..com/",
        "http://.photos.com/",
        "http://%31%36%39.254.169.254/",
        "http://ph%6ftos.com/",
        "http://photos.0x7f/",
        "http://photos,com/",
        f"http://{'a' * 64}.com/",
        f"http://{'a.' * 130}com/",
    ],
)
def test_a_url_on_a_host_that_is_not_public_is_forbidden(url: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_photo_url(url, field=FIELD)

    assert (refusal.value.code, refusal.value.field) == ("forbidden_url", FIELD)
    assert "public host" in refusal.value.message


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "neither http nor https"),
        (" ", "must be percent-encoded"),
        ("photos.com/a.jpg", "neither http nor https"),
        ("//photos.com/a.jpg", "neither http nor https"),
        ("ftp://photos.com/a.jpg", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("data:image/png;base64,AAAA", "neither http nor https"),
        ("javascript:alert(1)", "neither http nor https"),
        ("gopher://photos.com/", "neither http nor https"),
        ("dict://photos.com:11211/", "neither http nor https"),
        ("s3://bucket/key", "neither http nor https"),
        ("oss://bucket/key", "neither http nor https"),
        ("httpx://photos.com/", "neither http nor https"),
        ("https:photos.com/a.jpg", "has no host"),
        ("https:/photos.com/a.jpg", "has no host"),
        ("https:///a.jpg", "has no host"),
        ("https://", "has no host"),
        ("https://:443/", "has no host"),
        ("https://user@photos.com/", "contains credentials"),
        ("https://user:secret@photos.com/", "contains credentials"),
        ("https://:@photos.com/", "contains credentials"),
        ("https://@photos.com/", "contains credentials"),
        ("https://photos.com@169.254.169.254/", "contains credentials"),
        ("https://photos.com?@169.254.169.254/", "contains credentials"),
        ("https://photos.com#@169.254.169.254/", "contains credentials"),
        ("https://photos.com:x/", "can't be read"),
        ("https://photos.com:65536/", "can't be read"),
        ("https://photos.com:-1/", "can't be read"),
        ("http://[::1/", "can't be read"),
        ("http://[photos.com]/", "can't be read"),
        ("http://[1:2]/", "can't be read"),
        ("http://[v1.photos.com]/", "can't be read"),
        ("https://photos.com:0/a.jpg", "has port 0"),
        ("https://photos.com:000/", "has port 0"),
        *((f"https://photos.com/a.jpg?n={character}", "must be percent-encoded") for character in '"{}^|`<>'),
        ("https://photos.com/{customer}.jpg", "must be percent-encoded"),
        ("https://photos.com/100%.jpg", "must be percent-encoded"),
        ("https://photos.com/a.jpg?share=50%zz", "must be percent-encoded"),
        ("https://photos.com/a b.jpg", "must be percent-encoded"),
        ("https://photos.com/a\n.jpg", "must be percent-encoded"),
        ("https://photos.com/\r\nHost: localhost", "must be percent-encoded"),
        ("https://photos.com/a\t.jpg", "must be percent-encoded"),
        ("https://photos.com/a\0.jpg", "must be percent-encoded"),
        ("https://photos.com/a\x7f.jpg", "must be percent-encoded"),
        ("https://photos.com/ä.jpg", "must be percent-encoded"),
        ("https://phötos.com/a.jpg", "must be percent-encoded"),
        ("http://①②⑦.⓪.⓪.①/", "must be percent-encoded"),
        ("https://photos.com\\@localhost/", "must be percent-encoded"),
        (make_url_of_length(2049), "longer than 2048"),
        (make_url_of_length(1_000_000), "longer than 2048"),
    ],
)
def test_a_url_of_another_kind_is_invalid_with_a_reason(url: str, why: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_photo_url(url, field=FIELD)

    assert (refusal.value.code, refusal.value.field) == ("invalid_url", FIELD)
    assert why in refusal.value.message


def test_a_refusal_does_not_repeat_the_url() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_photo_url("https://user:secret@photos.com/?signature=SIGNED", field=FIELD)

    assert "secret" not in refusal.value.message
    assert "SIGNED" not in refusal.value.message
