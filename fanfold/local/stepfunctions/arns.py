"""The ARNs of Step Functions: taking them apart and putting them together."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from fanfold.local.protocol import ServiceError

_ARN: Final = re.compile(r"(arn:aws[a-z-]*):states:([a-z0-9-]+):(\d{12}):([A-Za-z]+):(.+)")


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN in parts; ``resource`` is what follows the kind, such as ``machine/Label:name``."""

    partition: str
    region: str
    account: str
    kind: str
    resource: str

    def __str__(self) -> str:
        """Return the ARN as text."""
        return f"{self.partition}:states:{self.region}:{self.account}:{self.kind}:{self.resource}"

    @property
    def labelled(self) -> bool:
        """Whether it names something of a map run: a child or its machine."""
        return "/" in self.resource


def parse(text: str, *kinds: str) -> Arn:
    """Return the parts of an ARN of one of ``kinds``; raises ServiceError InvalidArn."""
    found = _ARN.fullmatch(text)
    if found is None:
        raise ServiceError("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {text}'")
    arn = Arn(*found.groups())
    if kinds and arn.kind not in kinds:
        raise ServiceError("InvalidArn", f"Invalid Arn: 'Resource type not valid in this context: {arn.kind}'")
    return arn


def machine_of(text: str) -> str:
    """Return the ARN of a state machine as it is kept; raises ServiceError InvalidArn, ValidationException."""
    arn = parse(text, "stateMachine")
    if arn.labelled:
        raise ServiceError("ValidationException", f"'{text}' names the children of a Map state, not a state machine")
    return str(arn)


def machine(region: str, account: str, name: str) -> str:
    """Return the ARN of a state machine."""
    return str(Arn("arn:aws", region, account, "stateMachine", name))


def execution(machine_arn: str, name: str) -> str:
    """Return the ARN of an execution of a machine."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def express(machine_arn: str, name: str, run: str) -> str:
    """Return the ARN of an EXPRESS child."""
    return f"{machine_arn.replace(':stateMachine:', ':express:', 1)}:{name}:{run}"


def child_machine(machine_arn: str, label: str) -> str:
    """Return the ARN of the machine that children of a Map are executions of."""
    return f"{machine_arn.split('/', 1)[0]}/{label}"


def map_run(machine_arn: str, label: str, run: str) -> str:
    """Return the ARN of a map run."""
    return f"{child_machine(machine_arn, label).replace(':stateMachine:', ':mapRun:', 1)}:{run}"


def derived_id(seed: str, name: str | int) -> str:
    """Return the UUID of a child: the same for the same map run and place in it, as AWS's (version 3) are."""
    digest = bytearray(hashlib.md5(f"{seed}/{name}".encode(), usedforsecurity=False).digest())
    digest[6] = digest[6] & 0x0F | 0x30
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
