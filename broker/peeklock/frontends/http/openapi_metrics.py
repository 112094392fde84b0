"""What programs watch a broker by, for the document at `/openapi.json`."""

from typing import Final

from peeklock.frontends.http.openapi_parts import Json, answer, operation, text

METRICS_AT: Final = "/metrics"
OPENMETRICS: Final = "application/openmetrics-text"
KINDS: Final = ("text/plain", OPENMETRICS)
AS_TEXT: Final[Json] = {"content": {kind: {"schema": {"type": "string"}} for kind in KINDS}}
PATHS: Final[Json] = {
    METRICS_AT: {"get": operation(
        "readMetrics", "What the broker counts, as Prometheus reads it.",
        {"200": answer("As of now.") | AS_TEXT}, ("401",),
        text(f"`{OPENMETRICS}`, for OpenMetrics.", "Accept", "header"),
    )},
}  # fmt: skip
SCHEMAS: Final[Json] = {}
