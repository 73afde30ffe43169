import re

import pytest

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import InboxKey, make_folder, parse_inbox_key
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.issue_uploads import EXTENSIONS, FORM_VALID_S
from tests.factories import CALLER, make_policy
from tests.fakes.stack import SIZE_LIMIT_BYTES, make_stack

JPEGS = dict.fromkeys(Role, "image/jpeg")


def test_a_pair_gets_a_form_for_each_photo() -> None:
    uploads = make_stack().upload_form_issuer.issue(
        CALLER, {Role.SOURCE: "image/jpeg", Role.TARGET: "image/png"}, region="indonesia", pair_id="pair 1"
    )

    folder = f"inbox/indonesia/{make_folder('pair 1', CALLER)}"
    assert (uploads.region, uploads.pair_id) == ("indonesia", "pair 1")
    assert (uploads.valid_s, uploads.size_limit_bytes) == (FORM_VALID_S, SIZE_LIMIT_BYTES)
    assert {role: form.key for role, form in uploads.forms.items()} == {
        Role.SOURCE: f"{folder}/source.jpg",
        Role.TARGET: f"{folder}/target.png",
    }
    assert uploads.forms[Role.TARGET].post.fields == {
        "key": f"{folder}/target.png",
        "Content-Type": "image/png",
        "size_limit_bytes": str(SIZE_LIMIT_BYTES),
        "valid_s": str(FORM_VALID_S),
    }


@pytest.mark.parametrize("content_type", EXTENSIONS)
def test_every_key_issued_belongs_to_the_inbox_and_to_its_caller(content_type: str) -> None:
    uploads = make_stack().upload_form_issuer.issue(
        CALLER, {Role.SOURCE: content_type}, region=None, pair_id="p"
    )

    key = uploads.forms[Role.SOURCE].key
    assert parse_inbox_key(key) == InboxKey("singapore", "p", Role.SOURCE, CALLER)


def test_callers_that_name_their_pairs_alike_upload_to_different_places() -> None:
    issuer = make_stack().upload_form_issuer

    mine, theirs = (
        issuer.issue(caller, JPEGS, region=None, pair_id="pair-1") for caller in (CALLER, "another")
    )

    assert {form.key for form in mine.forms.values()}.isdisjoint(form.key for form in theirs.forms.values())


def test_a_pair_without_a_name_gets_a_fresh_one() -> None:
    issuer = make_stack().upload_form_issuer

    pair_ids = {issuer.issue(CALLER, JPEGS, region=None, pair_id=None).pair_id for _ in range(10)}

    assert len(pair_ids) == 10
    assert all(re.fullmatch(r"[0-9a-f]{32}", pair_id) for pair_id in pair_ids)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("content_type", ["", "image/svg+xml", "text/html", "IMAGE/JPEG", "image/jpeg; x=1"])
def test_a_type_that_is_no_photo_names_its_field(role: Role, content_type: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_stack().upload_form_issuer.issue(CALLER, JPEGS | {role: content_type}, region=None, pair_id=None)

    assert (refusal.value.code, refusal.value.field) == ("unsupported_content_type", f"{role}.content_type")


@pytest.mark.parametrize("pair_id", ["", "a/b", "x" * 129, "a\nb"])
def test_a_pair_id_that_the_inbox_would_not_take_is_refused(pair_id: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_stack().upload_form_issuer.issue(CALLER, JPEGS, region=None, pair_id=pair_id)

    assert refusal.value.code == "invalid_pair_id"


@pytest.mark.parametrize(
    ("region", "code"),
    [("mars", "unknown_region"), ("malaysia", "region_not_allowed"), (None, "region_required")],
)
def test_a_region_that_cannot_be_used_is_refused(region: str | None, code: str) -> None:
    stack = make_stack(regions=make_policy(Region.SINGAPORE))

    with pytest.raises(InvalidInputError) as refusal:
        stack.upload_form_issuer.issue(CALLER, JPEGS, region=region, pair_id=None)

    assert refusal.value.code == code


@pytest.mark.parametrize(("content_type", "extension"), [("image/heic", "heic"), ("image/heif", "heif")])
def test_heic_may_be_uploaded_where_it_is_read(content_type: str, extension: str) -> None:
    issuer = make_stack(reads_heic=True).upload_form_issuer
    uploads = issuer.issue(CALLER, {Role.SOURCE: content_type}, region=None, pair_id="p")

    assert uploads.forms[Role.SOURCE].key.endswith(f"/p/source.{extension}")


def test_heic_may_not_be_uploaded_where_it_would_only_be_refused_later() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_stack().upload_form_issuer.issue(CALLER, {Role.SOURCE: "image/heic"}, region=None, pair_id="p")

    assert refusal.value.code == "unsupported_content_type"
