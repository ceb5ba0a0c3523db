"""CloudFormation's intrinsic functions, evaluated.

Our own rather than moto's: importing moto's CloudFormation takes two seconds, its Ref creates moto's resource (its
Lambda, its Step Functions), and it does not split the default of a list parameter.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from fanfold.local.stack.errors import StackError

_PLACEHOLDER = re.compile(r"\$\{(!?)([^!${}][^${}]*)\}")
_NO_VALUE = object()
_REMOVED = {"Ref": "AWS::NoValue"}


class Resolver:
    """Evaluates values of a template.

    Args:
        reference: gives what ``Ref`` of a name stands for: a parameter, a pseudo parameter or a resource.
        attribute: gives what ``Fn::GetAtt`` of a logical id and an attribute stands for.
        conditions: the section Conditions.
        mappings: the section Mappings.
    """

    def __init__(
        self,
        reference: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
        conditions: Mapping[str, Any],
        mappings: Mapping[str, Any],
    ) -> None:
        self._reference = reference
        self._attribute = attribute
        self._conditions = conditions
        self._mappings = mappings

    def value(self, node: Any) -> Any:
        """Evaluate ``node`` and everything in it; what is AWS::NoValue disappears from its list or object."""
        if isinstance(node, list):
            return [value for value in map(self._kept, node) if value is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if function := _FUNCTIONS.get(name):
                return function(self, argument)
            if name.startswith("Fn::"):
                raise StackError(f"the intrinsic function {name} is not known here: {json.dumps(node)}")
        evaluated = {key: self._kept(item) for key, item in node.items()}
        return {key: item for key, item in evaluated.items() if item is not _NO_VALUE}

    def condition(self, name: str) -> bool:
        """Evaluate the condition called ``name``."""
        if name not in self._conditions:
            raise StackError(f"there is no condition {name!r} in the template")
        return self._true(self._conditions[name])

    def _kept(self, node: Any) -> Any:
        return _NO_VALUE if self._chosen(node) == _REMOVED else self.value(node)

    def _chosen(self, node: Any) -> Any:
        """Follow Fn::If to the branch taken."""
        while isinstance(node, dict) and set(node) == {"Fn::If"}:
            name, then, otherwise = node["Fn::If"]
            node = then if self.condition(name) else otherwise
        return node

    def _ref(self, name: str) -> Any:
        return self._reference(name)

    def _get_att(self, argument: str | list[str]) -> Any:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._attribute(logical_id, self.value(attribute))

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        return _PLACEHOLDER.sub(lambda match: self._filled(match, given), text)

    def _filled(self, match: re.Match[str], given: Mapping[str, Any]) -> str:
        literal, name = match[1], match[2].strip()
        if literal:
            return "${" + match[2] + "}"
        if name in given:
            return _text(self.value(given[name]))
        return _text(self._get_att(name) if "." in name else self._ref(name))

    def _join(self, argument: list[Any]) -> str:
        separator, items = argument
        return str(separator).join(_text(item) for item in self.value(items))

    def _split(self, argument: list[Any]) -> list[str]:
        separator, text = argument
        return _text(self.value(text)).split(separator)

    def _select(self, argument: list[Any]) -> Any:
        index, items = self.value(argument[0]), self.value(argument[1])
        if not 0 <= int(index) < len(items):
            raise StackError(f"Fn::Select: there is no item {index} in {items}")
        return items[int(index)]

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, top, second = self.value(argument)
        try:
            return self._mappings[name][top][second]
        except KeyError:
            raise StackError(f"Fn::FindInMap: there is no {name}.{top}.{second} in the Mappings") from None

    def _if(self, argument: list[Any]) -> Any:
        return self.value(self._chosen({"Fn::If": argument}))

    def _base64(self, argument: Any) -> str:
        return base64.b64encode(_text(self.value(argument)).encode()).decode()

    def _to_json(self, argument: Any) -> str:
        return json.dumps(self.value(argument))

    def _true(self, node: Any) -> bool:
        if isinstance(node, dict) and len(node) == 1:
            ((name, argument),) = node.items()
            if test := _TESTS.get(name):
                return test(self, argument)
        raise StackError(f"not a condition: {json.dumps(node)}")

    def _equals(self, argument: list[Any]) -> bool:
        left, right = self.value(argument)
        return _text(left) == _text(right)


def _text(value: Any) -> str:
    """Write a value as CloudFormation does inside a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_text, value)) if isinstance(value, list) else str(value)


_FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Ref": Resolver._ref,
    "Fn::Base64": Resolver._base64,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::If": Resolver._if,
    "Fn::Join": Resolver._join,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::Sub": Resolver._sub,
    "Fn::ToJsonString": Resolver._to_json,
}

_TESTS: dict[str, Callable[[Resolver, Any], bool]] = {
    "Condition": Resolver.condition,
    "Fn::And": lambda resolver, nodes: all(resolver._true(node) for node in nodes),
    "Fn::Equals": Resolver._equals,
    "Fn::Not": lambda resolver, nodes: not resolver._true(nodes[0]),
    "Fn::Or": lambda resolver, nodes: any(resolver._true(node) for node in nodes),
}
