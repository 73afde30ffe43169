"""Least privilege of the deployed roles: everything works, each permission is needed, no more is allowed."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any

import pytest

from facematch.domain.verdict import Role
from harness.driver import Driver, post_form
from harness.faults import make_small_photo
from local.stack import STACK_NAME
from tests.audit import checks
from tests.audit.access import ALLOWED, ATTEMPTS, Resources, assume, create_resources, is_denied
from tests.audit.checks import AuditedStack, audit_stack
from tests.audit.locations import FOLDER
from tests.audit.report import add_to_report
from tests.audit.required_permissions import REQUIRED_BY, UNENFORCED
from tests.audit.roles import FUNCTIONS, Permission, Roles

ROOT: Mapping[str, str] = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def audited(driver: Driver) -> AuditedStack:
    return audit_stack(driver, FOLDER)


@pytest.fixture(scope="module")
def roles(driver: Driver) -> Roles:
    return Roles(driver.stack)


@pytest.fixture(scope="module", autouse=True)
def _incomplete_pair(driver: Driver) -> None:
    """One photo, whose deadline passes during other tests."""
    driver.put("inbox/singapore/audit-half/source.jpg", make_small_photo())


@pytest.fixture(scope="module")
def halted(audited: AuditedStack) -> Iterator[AuditedStack]:
    """The stack with disabled event sources."""
    with ExitStack() as halts:
        for function in ("Uploads", "Compare", "Publish"):
            halts.enter_context(audited.context.cloud.halt(function))
        yield audited
        queues = audited.driver.client("sqs")
        for queue_url in queues.list_queues()["QueueUrls"]:
            queues.purge_queue(QueueUrl=queue_url)


def make_photos(seed: int = 0) -> dict[str, Any]:
    return {
        role.value: {"photo": base64.b64encode(make_small_photo(seed + number)).decode()}
        for number, role in enumerate(Role)
    }


def post(driver: Driver, pair_id: str, headers: Mapping[str, str] | None = None, **fields: Any) -> Any:
    body = {"region": "singapore", "pair_id": pair_id, **make_photos(), **fields}
    return driver.request("POST", "/v1/comparisons", body, headers)


# Everything works with the deployed roles


def test_a_pair_in_the_bucket_is_compared_published_and_its_photos_deleted(driver: Driver) -> None:
    driver.put_pair("audit-bucket")
    event = driver.wait_for_event("audit-bucket")
    assert event["type"] == "facematch.comparison.completed"
    assert driver.list_keys("inbox/singapore/audit-bucket/") == []
    driver.wait_until(lambda: driver.list_keys(f"comparisons/{event['id']}/") == [])
    # So the secret was read: the provider accepts no other key.
    assert [call["code"] for call in driver.list_calls(event)] == ["Success"]


def test_a_posted_pair_is_compared_read_and_erased(driver: Driver) -> None:
    posted = post(driver, "audit-posted")
    assert posted.status is HTTPStatus.OK
    path = f"/v1/comparisons/{posted.body['id']}"
    assert driver.request("GET", path).body["result"] == posted.body["result"]
    assert driver.request("DELETE", path).status is HTTPStatus.NO_CONTENT
    assert driver.request("GET", path).status is HTTPStatus.GONE


def test_a_pair_posted_for_later_is_compared_by_a_worker(driver: Driver) -> None:
    posted = post(driver, "audit-later", {"Prefer": "respond-async"})
    assert posted.status is HTTPStatus.ACCEPTED
    assert driver.wait_for_verdict(posted.body["id"])["state"] == "completed"


def test_a_pair_by_url_is_compared(driver: Driver) -> None:
    posted = post(driver, "audit-linked", source={"url": "https://photos.facematch.dev/a.jpg"})
    assert posted.status is HTTPStatus.OK


def test_a_pair_uploaded_by_forms_is_compared(driver: Driver) -> None:
    forms = driver.request("POST", "/v1/uploads", {"pair_id": "audit-forms", "region": "singapore"}).body
    for number, role in enumerate(Role):
        form = forms[role]
        assert post_form(form["url"], form["fields"], make_small_photo(number)) == HTTPStatus.NO_CONTENT
    assert driver.wait_for_event("audit-forms")["type"] == "facematch.comparison.completed"


def test_an_incomplete_pair_fails_at_its_deadline(driver: Driver) -> None:
    assert driver.wait_for_swept_event("audit-half")["data"]["reason"] == "pair_incomplete"


# Every permission of the deployed roles is needed


def test_the_deployed_roles_allow_what_something_needs_and_no_more(roles: Roles) -> None:
    deployed = set(roles.list_permissions())
    expected = REQUIRED_BY.keys() | UNENFORCED.keys()
    assert (sorted(deployed - expected), sorted(expected - deployed)) == ([], [])


def test_the_local_cloud_still_does_not_enforce_the_permissions_listed_as_unenforced(
    audited: AuditedStack, roles: Roles
) -> None:
    driver = audited.driver
    before = _count_log_lines(driver)
    with roles.without(*UNENFORCED):
        assert not UNENFORCED.keys() & set(roles.list_permissions())
        driver.put_pair("audit-unenforced")
        assert driver.wait_for_event("audit-unenforced")["type"] == "facematch.comparison.completed"
        assert checks.a_missing_upload_is_posted(audited)
        assert checks.a_pair_without_photos_fails(audited)
        assert checks.the_key_is_diagnosed(audited)
        driver.wait_until(
            lambda: all(lines > before[name] for name, lines in _count_log_lines(driver).items())
        )
    add_to_report("permissions that the local cloud does not enforce", _count_reasons())


def _count_log_lines(driver: Driver) -> dict[str, int]:
    """Return the number of log events of each function except the sweep."""
    logs, names = driver.client("logs"), ("api", "compare", "diagnose", "publish", "uploads")
    groups = {name: f"/facematch/{STACK_NAME}/{name}" for name in names}
    return {name: len(logs.filter_log_events(logGroupName=group)["events"]) for name, group in groups.items()}


def _count_reasons() -> list[str]:
    reasons = list(UNENFORCED.values())
    return [f"{reasons.count(reason):3}  {reason}" for reason in dict.fromkeys(reasons)]


@pytest.mark.parametrize(
    "permission", REQUIRED_BY, ids=lambda key: f"{key.function}-{key.action}-{key.resource}"
)
def test_without_a_permission_the_path_that_needs_it_fails(
    halted: AuditedStack, roles: Roles, permission: Permission
) -> None:
    check = REQUIRED_BY[permission]
    with roles.without(permission):
        assert not check(halted), f"{check.__name__} succeeds without {permission}"
    assert check(halted), f"{check.__name__} fails with all permissions"
    add_to_report(
        "removed permissions, each with the check that fails",
        [f"{permission.function:8} {permission.action:30} {permission.resource:20} {check.__name__}"],
    )


@pytest.mark.parametrize(
    "check",
    [checks.a_verdict_without_photos_is_published, checks.a_verdict_without_photos_is_swept],
    ids=lambda check: check.__name__,
)
def test_a_verdict_without_photos_is_still_published(halted: AuditedStack, check: checks.Check) -> None:
    assert check(halted)


# Nothing else is allowed


@pytest.fixture(scope="module")
def resources(halted: AuditedStack) -> Resources:
    return create_resources(halted.driver.stack)


@pytest.fixture(scope="module")
def credentials(roles: Roles) -> dict[str, Mapping[str, str]]:
    return {function: roles.assume(function) for function in FUNCTIONS}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_each_attempt_succeeds_with_all_permissions(resources: Resources, name: str) -> None:
    assert not is_denied(resources, ATTEMPTS[name], ROOT)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_its_task_and_nothing_else(
    resources: Resources, credentials: dict[str, Mapping[str, str]], function: str
) -> None:
    done = {
        name for name, attempt in ATTEMPTS.items() if not is_denied(resources, attempt, credentials[function])
    }
    assert (sorted(done - ALLOWED[function]), sorted(ALLOWED[function] - done)) == ([], [])
    denied = len(ATTEMPTS) - len(done)
    add_to_report("attempts with each role", [f"{function:8} {len(done)} allowed, {denied} denied"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_not_take_on_another_functions_role(
    resources: Resources, credentials: dict[str, Mapping[str, str]], function: str
) -> None:
    assert all(is_denied(resources, assume(other), credentials[function]) for other in FUNCTIONS)


@pytest.mark.parametrize(
    "route",
    ["POST /v1/comparisons", "GET /v1/comparisons/an-id", "DELETE /v1/comparisons/an-id", "POST /v1/uploads"],
)
def test_an_unsigned_request_reaches_nothing(driver: Driver, route: str) -> None:
    method, path = route.split()
    answer = driver.request(method, path, {} if method == "POST" else None, signed=False)
    assert answer.status is HTTPStatus.FORBIDDEN
    assert json.dumps(answer.body)
