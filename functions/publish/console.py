"""Where an object or an execution is shown in the AWS console. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from itemkit.errors import InvalidItem
from itemkit.item import split_uri

_HOSTS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
# A bucket has at most 63 characters, a key 1,024 bytes.
_LONGEST_URI = len("s3://") + 63 + 1 + 1_024


@dataclass(frozen=True)
class Console:
    """The console of the Region that an execution ran in; a job's buckets lie in the same."""

    execution: str

    @property
    def _region(self) -> str:
        return self.execution.split(":")[3]

    @property
    def _url(self) -> str:
        host = _HOSTS.get(self.execution.split(":")[1], _HOSTS["aws"])
        return f"https://{quote(self._region, safe='')}.{host}"

    def object(self, uri: str) -> str | None:
        """Return the address of an object or, of a URI that ends in ``/``, of a folder; ``None``: it is neither."""
        if len(uri) > _LONGEST_URI or not uri.startswith("s3:"):
            return None
        try:
            bucket, key = split_uri(uri)
        except InvalidItem:
            return None
        kind = "buckets" if not key or key.endswith("/") else "object"
        place = f"{self._url}/s3/{kind}/{_quoted(bucket)}?region={_quoted(self._region)}"
        return f"{place}&prefix={_quoted(key)}" if key else place

    def run(self) -> str:
        """Return the address of the execution."""
        place = quote(self.execution, safe=":")
        return f"{self._url}/states/home?region={_quoted(self._region)}#/v2/executions/details/{place}"


def _quoted(text: str) -> str:
    # A message may hold half a surrogate pair, which UTF-8 cannot.
    return quote(text, safe="", errors="replace")
