"""The environment variables of a function's process: Lambda's own, the function's, and hardly any of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fanfold.local.awslambda.config import FunctionConfig
from fanfold.local.awslambda.naming import LATEST
from fanfold.local.awslambda.staging import Staging, site_packages

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")  # without these the interpreter itself may not start


@dataclass(frozen=True)
class Site:
    """Where the functions are: the Region, the account, and the endpoint their SDK must talk to.

    Attributes:
        more: further variables of every function.
    """

    region: str
    account: str
    endpoint_url: str
    more: Mapping[str, str] = field(default_factory=dict)


def variables(config: FunctionConfig, site: Site, staging: Staging) -> dict[str, str]:
    """Return the whole environment but what differs from process to process; reserved names win over the function's."""
    return _machine() | _laptop(site) | dict(config.environment) | dict(site.more) | _reserved(config, site, staging)


def _machine() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"LANG": "en_US.UTF-8"}


def _laptop(site: Site) -> dict[str, str]:
    """Keep the SDK at this endpoint and away from the user's AWS account, and tracing away from a daemon not there."""
    return {
        "AWS_ENDPOINT_URL": site.endpoint_url,
        "NO_PROXY": str(urlsplit(site.endpoint_url).hostname),  # macOS has proxies outside the environment too
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_XRAY_SDK_ENABLED": "false",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def _reserved(config: FunctionConfig, site: Site, staging: Staging) -> dict[str, str]:
    return {
        "_HANDLER": config.handler,
        "AWS_REGION": site.region,
        "AWS_DEFAULT_REGION": site.region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        # The interpreter that really runs, not the template's: the runtime client chooses its ways by it.
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
        "LAMBDA_TASK_ROOT": str(staging.task),
        "PYTHONPATH": os.pathsep.join([str(staging.layers), *site_packages()]),
        "TZ": ":UTC",
    }
