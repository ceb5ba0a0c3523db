"""What names of a template stand for: parameters, pseudo parameters and resources, in one stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanfold.local.stack.errors import StackError
from fanfold.local.stack.identity import Identity, Site, identify
from fanfold.local.stack.intrinsics import Resolver
from fanfold.local.stack.kinds import BUCKET, KNOWN
from fanfold.local.stack.template import Template


class Scope:
    """A template with its parameters given: its resources by type, their properties and names resolved."""

    def __init__(self, template: Template, site: Site, parameters: Mapping[str, str]) -> None:
        self._site = site
        self._values = site.pseudo_parameters() | _parameters(template.section("Parameters"), parameters)
        self._resolver = Resolver(
            self._reference, self._attribute, template.section("Conditions"), template.section("Mappings")
        )
        self._resources = self._present(template.section("Resources"))
        self._identities: dict[str, Identity] = {}
        self._resolving: list[str] = []

    def each(self, kind: str) -> Iterator[tuple[Identity, dict[str, Any]]]:
        """Iterate over the resources of a type: who they are, and their properties."""
        for logical_id, resource in self._resources.items():
            if resource["Type"] == kind:
                yield self.identity(logical_id), self._properties(logical_id)

    def metadata(self, logical_id: str) -> dict[str, Any]:
        """Return the Metadata of a resource."""
        metadata: dict[str, Any] = self._resources[logical_id].get("Metadata", {})
        return metadata

    def identity(self, logical_id: str) -> Identity:
        """Return who a resource is; raises StackError when there is none, or when its name refers to itself."""
        if logical_id not in self._resources:
            raise StackError(
                f"the template refers to {logical_id!r}, which is no parameter and no resource of the stack"
            )
        if logical_id not in self._identities:
            self._identities[logical_id] = self._identify(logical_id)
        return self._identities[logical_id]

    def outputs(self, outputs: Mapping[str, Any]) -> dict[str, str]:
        """Evaluate the section Outputs."""
        present = {name: output for name, output in outputs.items() if self._is_present(output)}
        return {name: str(self._resolver.value(output["Value"])) for name, output in present.items()}

    def _present(self, resources: Mapping[str, Any]) -> dict[str, Any]:
        for logical_id, resource in resources.items():
            if resource.get("Type") not in KNOWN:
                raise StackError(
                    f"{logical_id}: a resource of type {resource.get('Type')} has no local counterpart; "
                    f"known are {', '.join(sorted(KNOWN))}"
                )
        return {logical_id: resource for logical_id, resource in resources.items() if self._is_present(resource)}

    def _is_present(self, part: Mapping[str, Any]) -> bool:
        return "Condition" not in part or self._resolver.condition(part["Condition"])

    def _properties(self, logical_id: str) -> dict[str, Any]:
        try:
            properties: dict[str, Any] = self._resolver.value(self._resources[logical_id].get("Properties", {}))
        except StackError as error:
            raise StackError(f"{logical_id}: {error}") from error
        return properties

    def _identify(self, logical_id: str) -> Identity:
        if logical_id in self._resolving:
            raise StackError(f"circular names: {' -> '.join([*self._resolving, logical_id])}")
        self._resolving.append(logical_id)
        try:
            resource = self._resources[logical_id]
            kind = KNOWN[resource["Type"]]
            name = self._resolver.value(_at(resource.get("Properties", {}), kind.name))
            return identify(self._site, logical_id, kind, name, lower=resource["Type"] == BUCKET)
        finally:
            self._resolving.pop()

    def _reference(self, name: str) -> Any:
        return self._values[name] if name in self._values else self.identity(name).ref

    def _attribute(self, logical_id: str, attribute: str) -> str:
        return self.identity(logical_id).attribute(attribute)


def _at(properties: Mapping[str, Any], path: str) -> Any:
    """Return a property, or one within others; ``None`` where there is none."""
    outer, _, inner = path.partition(".")
    value = properties.get(outer)
    return _at(value, inner) if inner and isinstance(value, dict) else value


def _parameters(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    if unknown := sorted(set(given) - set(declared)):
        raise StackError(f"the template has no parameter {', '.join(unknown)}; it has {', '.join(sorted(declared))}")
    return {name: _parameter(name, parameter, given.get(name)) for name, parameter in declared.items()}


def _parameter(name: str, declared: Mapping[str, Any], given: str | None) -> Any:
    value = declared.get("Default") if given is None else given
    if value is None:
        raise StackError(f"parameter {name} has no default: give it a value")
    allowed = [str(item) for item in declared.get("AllowedValues", [])]
    if allowed and str(value) not in allowed:
        raise StackError(f"parameter {name} must be one of {', '.join(allowed)}, not {value!r}")
    kind = declared.get("Type", "String")
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [item.strip() for item in str(value).split(",")]
    return str(value)
