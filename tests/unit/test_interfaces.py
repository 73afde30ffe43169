"""The documents of the interfaces say what the code does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from generate.api import describe_api
from harness.template import ROOT, read_template

SCHEMAS = ROOT / "schemas"
EVENT = json.loads((SCHEMAS / "result-event.schema.json").read_text())


def read_results_interface() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((SCHEMAS / "results.asyncapi.yaml").read_text())
    return document


def test_the_results_interface_has_a_message_for_each_type_of_event() -> None:
    messages = read_results_interface()["components"]["messages"]

    assert sorted(message["name"] for message in messages.values()) == sorted(
        EVENT["properties"]["type"]["enum"]
    )


def test_every_reference_of_the_results_interface_leads_somewhere() -> None:
    document = read_results_interface()

    def list_references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [ref for value in node.values() for ref in list_references(value)]
        return [ref for value in node for ref in list_references(value)] if isinstance(node, list) else []

    references = list_references(document)
    assert references
    for reference in references:
        path, _, pointer = reference.partition("#/")
        target: Any = document if pointer else json.loads((SCHEMAS / path).read_text())
        for step in pointer.split("/") if pointer else ():
            target = target[step]
        assert target


def test_the_results_interface_names_the_export_of_the_template() -> None:
    export = read_template()["Outputs"]["ResultsQueueArn"]["Export"]["Name"]["Sub"]

    reported = read_results_interface()["channels"]["results"]["description"]
    assert export.replace("${AWS::StackName}", "{StackName}") in reported


def test_the_api_document_is_valid() -> None:
    validate(describe_api())


def list_examples() -> Iterator[tuple[str, Any, Any]]:
    for path, methods in describe_api()["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for described in answer.get("content", {}).values():
                    yield f"{method} {path} {status}", described["schema"], described["example"]


@pytest.mark.parametrize(
    ("schema", "example"), [pytest.param(*rest, id=name) for name, *rest in list_examples()]
)
def test_every_answer_has_an_example_of_its_schema(schema: Any, example: Any) -> None:
    whole = {**schema, "components": describe_api()["components"]}

    assert example
    Draft202012Validator(whole).validate(example)


def test_every_route_of_the_template_is_in_the_api_document() -> None:
    events = read_template()["Resources"]["Api"]["Properties"]["Events"].values()
    routes = {(event["Properties"]["Path"], event["Properties"]["Method"].lower()) for event in events}

    assert {
        (path, method) for path, methods in describe_api()["paths"].items() for method in methods
    } == routes
