"""Orders arrive as they were sent, whatever the options have in them."""

from typing import Any

import pytest

from multitrack.courier.orders import line_of, parsed


@pytest.mark.parametrize(
    "value",
    [1.5, None, "ü", float("inf"), [{"a": float("-inf")}], "half \udcff a surrogate", 2**70],
    ids=["number", "none", "text", "infinity", "nested infinity", "undecoded", "large"],
)
def test_an_option_arrives(value: Any) -> None:
    order = {"add": "/runs/a", "options": {"one": {"option": value}}}
    line = line_of(order)
    assert line.count(b"\n") == 1
    assert list(parsed([line.decode("utf-8", "replace")])) == [order]
