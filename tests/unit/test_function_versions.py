"""A function with versions gets a new one whenever its settings change, as a snapshot holds them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from harness.deployed import transform
from harness.template import read_template

TEMPLATE = read_template()
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
VARIABLES: dict[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
VERSIONED = ["Api", "Compare"]
NOT_OF_A_FUNCTION = [
    "AdminPrincipals",
    "AlarmTopicArn",
    "ApiRateLimit",
    "LogRetentionDays",
    "WorkerConcurrency",
]
DESCRIPTION_LIMIT_CHARACTERS = 256
"""Of functions, versions and layers. Source: AWS Lambda API reference."""
ENVIRONMENT_LIMIT_BYTES = 4096
"""Of all variables together. Source: AWS Lambda Developer Guide, "Lambda quotas"."""


def list_parameters(value: object) -> set[str]:
    """Return the parameters that a value is made from, conditions included."""
    text = str(value)
    names = set(re.findall(r"\$\{(\w+)\}|'(?:Ref|Condition)': '(\w+)'|'If': \['(\w+)'", text))
    named = {name for found in names for name in found if name}
    conditions = (TEMPLATE["Conditions"][name] for name in named & TEMPLATE["Conditions"].keys())
    return (named & PARAMETERS.keys()).union(*map(list_parameters, conditions))


def list_parameters_of(function: str) -> set[str]:
    """Return the parameters that a function depends on: its environment, layers, architecture and so on."""
    properties = {
        name: value for name, value in RESOURCES[function]["Properties"].items() if name != "Events"
    }
    return list_parameters([properties, TEMPLATE["Globals"]["Function"]])


def change(name: str) -> str:
    """Return another value of a parameter than its default."""
    parameter = PARAMETERS[name]
    default = str(parameter.get("Default", ""))
    values = map(str, parameter.get("AllowedValues", [f"{default}1"]))
    return next(value for value in values if value != default)


def identify_version(function: str, **parameters: str) -> tuple[str, str]:
    """Return what identifies a version for CloudFormation: its logical id, and its description.

    A hosted configuration version is in the description with its content, for other content is
    another number. Source: CloudFormation's reference, where each of its properties requires replacement.
    """
    template = transform(**parameters)
    ((logical_id, version),) = (
        (name, resource["Properties"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
        and resource["Properties"]["FunctionName"]["Ref"] == function
    )
    values = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()} | parameters

    def fill_in(found: re.Match[str]) -> str:
        if found[1] in values:
            return values[found[1]]
        resource = template["Resources"][found[1]]
        assert resource["Type"] == "AWS::AppConfig::HostedConfigurationVersion"
        return re.sub(r"\$\{(\w+)\}", fill_in, resource["Properties"]["Content"]["Fn::Sub"])

    return logical_id, re.sub(r"\$\{(\w+)\}", fill_in, version["Description"]["Fn::Sub"])


@pytest.mark.parametrize("function", VERSIONED)
def test_a_changed_setting_publishes_a_version(function: str) -> None:
    before = identify_version(function)
    missed = [
        name
        for name in sorted(list_parameters_of(function))
        if identify_version(function, **{name: change(name)}) == before
    ]

    assert missed == [], "Run `make interfaces`."


@pytest.mark.parametrize("function", VERSIONED)
@pytest.mark.parametrize("name", NOT_OF_A_FUNCTION)
def test_what_no_function_depends_on_publishes_none(function: str, name: str) -> None:
    assert identify_version(function, **{name: change(name)}) == identify_version(function)


@pytest.mark.parametrize("function", VERSIONED)
def test_a_deployment_without_a_change_publishes_no_version(function: str) -> None:
    same = {name: str(one["Default"]) for name, one in PARAMETERS.items() if "Default" in one}

    assert identify_version(function, **same) == identify_version(function)


def test_every_variable_comes_from_what_publishes_a_version_or_stays_the_same() -> None:
    resources = {"Ref", "Sub", "If"}
    reported = list_parameters(RESOURCES["Settings"]["Properties"]["Content"])

    for name, value in VARIABLES.items():
        assert isinstance(value, dict), name
        assert value.keys() <= resources, name
        missed = list_parameters(value) - reported
        assert not missed, f"{name} depends on {', '.join(missed)}: run `make interfaces`."


def test_a_changed_layer_publishes_a_version() -> None:
    layers = [
        one["Properties"] for one in RESOURCES.values() if one["Type"] == "AWS::Serverless::LayerVersion"
    ]

    assert [layer["PublishLambdaVersion"] for layer in layers] == [True] * len(layers)
    assert all(RESOURCES[name]["Properties"]["AutoPublishAliasAllProperties"] for name in VERSIONED)


def test_old_versions_are_deleted_as_each_has_a_snapshot_that_is_billed() -> None:
    versions = [one for one in transform()["Resources"].values() if one["Type"] == "AWS::Lambda::Version"]

    assert [version["DeletionPolicy"] for version in versions] == ["Delete", "Delete"]


# Limits of the service


def list_descriptions() -> Iterator[tuple[str, str]]:
    """Yield each description that Lambda limits, by its resource."""
    for name, resource in transform()["Resources"].items():
        if resource["Type"].startswith("AWS::Lambda::") and "Description" in resource["Properties"]:
            text = resource["Properties"]["Description"]
            yield name, text if isinstance(text, str) else text["Fn::Sub"]


def test_no_description_of_a_function_version_or_layer_is_near_its_limit() -> None:
    descriptions = dict(list_descriptions())

    assert len(descriptions) >= len(VERSIONED) + 11
    for name, text in descriptions.items():
        assert not list_parameters(text), f"The description of {name} grows with a parameter."
        assert len(text) <= DESCRIPTION_LIMIT_CHARACTERS / 2, name


def measure_longest(name: str) -> int:
    """Return how long a parameter's text can be, or more."""
    parameter = PARAMETERS[name]
    if "AllowedValues" in parameter:
        return max(len(str(value)) for value in parameter["AllowedValues"])
    if parameter["Type"] == "Number":
        return len(f"{parameter['MaxValue']}.125")
    pattern = parameter["AllowedPattern"]
    literals = re.sub(r"\[[^]]+\]|\{[^}]+\}|\W", "", pattern)
    return len(literals) + sum(map(int, re.findall(r"(\d+)\}", pattern)))


def measure_variable(name: str, value: Any) -> int:
    """Return how long a variable can be; the reference to a queue is the longest to a resource."""
    queue_url = "https://sqs.ap-southeast-1.amazonaws.com/123456789012/a-stack-of-29-characters-long-"
    parameters = list_parameters(value)
    if name.endswith("_QUEUE_URL") or not parameters:
        return len(name) + len(f"{queue_url}IndonesiaUrgentQueue-123456789012")
    return len(name) + sum(map(measure_longest, parameters))


def test_the_environment_of_a_function_fits_at_its_longest() -> None:
    size_bytes = sum(
        measure_variable(name, value) for name, value in VARIABLES.items() if name != "PROVIDER_ENDPOINTS"
    )

    assert size_bytes <= ENVIRONMENT_LIMIT_BYTES
