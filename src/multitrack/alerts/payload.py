"""The JSON of an alert that programs and servers receive."""

from __future__ import annotations

import msgspec

from multitrack._record_parts import number_to_json
from multitrack.hookspecs import Alert


def payload(alert: Alert) -> bytes:
    """Encode an alert as JSON; NaN, ±inf and large integers are text, as in journals."""
    fields = msgspec.to_builtins(alert)
    fields["value"] = None if alert.value is None else number_to_json(alert.value)
    return msgspec.json.encode(fields)
