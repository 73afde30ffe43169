"""The deployed roles: lists and removes their permissions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from local.stack import STACK_NAME, Stack

type Document = dict[str, Any]

FUNCTIONS = ("Api", "Compare", "Diagnose", "Publish", "Sweep", "Uploads")
_REDUCED_POLICY = "reduced-policy"
# A policy needs a statement. This action is always allowed.
_NOTHING = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action on one resource of a function's role. `resource` contains names of the template."""

    function: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of a deployed stack's functions."""

    stack: Stack

    def list_permissions(self) -> list[Permission]:
        """Return the permissions of the functions' roles, from inline and attached policies."""
        names = self._name_resources()
        return sorted(
            {
                Permission(function, action, _name(arn, names))
                for function in FUNCTIONS
                for document in self._read_documents(self.find_role(function)).values()
                for statement in document["Statement"]
                for action in _listed(statement["Action"])
                for arn in _listed(statement["Resource"])
            }
        )

    @contextmanager
    def without(self, *permissions: Permission) -> Iterator[None]:
        """Remove permissions from the deployed roles during the block."""
        names = self._name_resources()
        with ExitStack() as undo:
            for function in sorted({permission.function for permission in permissions}):
                removed = {
                    (permission.action, permission.resource)
                    for permission in permissions
                    if permission.function == function
                }
                self._reduce(self.find_role(function), removed, names, undo)
            yield

    def assume(self, function: str) -> Mapping[str, str]:
        """Return temporary credentials of a function's role. The role trusts this account during the call."""
        iam, role = _client(self.stack, "iam"), self.find_role(function)
        found = iam.get_role(RoleName=role)["Role"]
        trusted: Document = found["AssumeRolePolicyDocument"]
        account = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        opened = {**trusted, "Statement": [*trusted["Statement"], account]}
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(opened))
        try:
            answer = _client(self.stack, "sts").assume_role(RoleArn=found["Arn"], RoleSessionName="audit")
        finally:
            iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trusted))
        credentials = answer["Credentials"]
        return {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    def find_role(self, function: str) -> str:
        """Return the name of the role of a function."""
        lambdas = _client(self.stack, "lambda")
        found = lambdas.get_function_configuration(FunctionName=self.find_physical(function))
        return str(found["Role"]).rpartition("/")[2]

    def find_physical(self, logical: str) -> str:
        """Return the physical id of a resource of the template."""
        found = _list_resources(self.stack)
        return next(str(one["PhysicalResourceId"]) for one in found if one["LogicalResourceId"] == logical)

    def _name_resources(self) -> dict[str, str]:
        """Return the template's names of the resources, by a part of their ARNs."""
        found = _list_resources(self.stack)
        names = {
            str(one["PhysicalResourceId"]).rpartition("/")[2]: str(one["LogicalResourceId"])
            for one in found
            if one["ResourceType"] in {"AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::DynamoDB::Table"}
        }
        groups = {
            str(one["PhysicalResourceId"]): str(one["LogicalResourceId"])
            for one in found
            if one["ResourceType"] == "AWS::Logs::LogGroup"
        }
        return {**names, **groups, f"{STACK_NAME}-provider": "ProviderSecret"}

    def _read_documents(self, role: str) -> dict[str, Document]:
        """Return the policies of a role: inline policies by their names, attached ones by their ARNs."""
        iam = _client(self.stack, "iam")
        inline = {
            name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        }
        attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return inline | {policy["PolicyArn"]: self._read_managed(policy["PolicyArn"]) for policy in attached}

    def _read_managed(self, arn: str) -> Document:
        iam = _client(self.stack, "iam")
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)
        document: Document = found["PolicyVersion"]["Document"]
        return document

    def _reduce(
        self, role: str, removed: set[tuple[str, str]], names: Mapping[str, str], undo: ExitStack
    ) -> None:
        iam = _client(self.stack, "iam")
        for number, (name, document) in enumerate(self._read_documents(role).items()):
            reduced = _remove_permissions(document, removed, names)
            if reduced == document:
                continue
            if name.startswith("arn:"):
                inline = f"{_REDUCED_POLICY}-{number}"
                iam.detach_role_policy(RoleName=role, PolicyArn=name)
                undo.callback(iam.attach_role_policy, RoleName=role, PolicyArn=name)
                iam.put_role_policy(RoleName=role, PolicyName=inline, PolicyDocument=json.dumps(reduced))
                undo.callback(iam.delete_role_policy, RoleName=role, PolicyName=inline)
            else:
                undo.callback(
                    iam.put_role_policy, RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document)
                )
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(reduced))


@cache
def _client(stack: Stack, service: str) -> Any:
    return stack.client(service)


@cache
def _list_resources(stack: Stack) -> list[dict[str, Any]]:
    formation = _client(stack, "cloudformation")
    found: list[dict[str, Any]] = formation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    return found


def _remove_permissions(
    document: Document, removed: set[tuple[str, str]], names: Mapping[str, str]
) -> Document:
    """Return a policy without these actions on these resources."""
    kept = []
    for statement in document["Statement"]:
        for action in _listed(statement["Action"]):
            arns = [
                arn for arn in _listed(statement["Resource"]) if (action, _name(arn, names)) not in removed
            ]
            if arns:
                kept.append({**statement, "Action": [action], "Resource": arns})
    if sum(len(one["Resource"]) for one in kept) == sum(
        len(_listed(one["Action"])) * len(_listed(one["Resource"])) for one in document["Statement"]
    ):
        return document
    return {**document, "Statement": kept or [_NOTHING]}


def _listed(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _name(arn: str, names: Mapping[str, str]) -> str:
    """Return the resource of an ARN with the template's name, such as `Photos/*` or `Ledger/index/work`."""
    for physical in sorted(names, key=len, reverse=True):
        if physical in arn:
            rest = arn.partition(physical)[2]
            if names[physical] == "ProviderSecret":
                return "ProviderSecret"
            # The name of a stream is its creation time.
            return names[physical] + ("/stream" if rest.startswith("/stream/") else rest)
    return arn
