"""All fields of a structured object are params, those that ``extra="allow"`` let in as well."""

import dataclasses
import types
from typing import Any

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

import multitrack

pytestmark = pytest.mark.case(6)


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    lr: float = 0.1


class Closed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore")
    lr: float = 0.1
    inner: Open = Open()


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", populate_by_name=True)
    rate: float = pydantic.Field(default=0.1, alias="learning-rate")
    _private: int = 3

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> float:
        return 2 * self.rate


class Child(Open):
    units: int = 64


@pydantic.dataclasses.dataclass(config=pydantic.ConfigDict(extra="allow"))
class OpenData:
    lr: float = 0.1


class Computed(pydantic.BaseModel):
    units: int = 3

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def squared(self) -> int:
        return self.units**2

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def broken(self) -> float:
        return self.units / 0


@pydantic.dataclasses.dataclass
class ComputedData:
    units: int = 3

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def squared(self) -> int:
        return self.units**2


@dataclasses.dataclass
class Data:
    model: Any
    lr: float = 0.1


@attrs.define
class Attrs:
    model: Any
    lr: float = 0.1


class Struct(msgspec.Struct):
    model: Any
    lr: float = 0.1


CASES: list[tuple[Any, dict[str, Any]]] = [
    (Open(lr=0.2, units=64, nested={"a": 1}), {"lr": 0.2, "units": 64, "nested/a": 1}),  # type: ignore[call-arg]
    (Open(inner=Open(deep=True)), {"lr": 0.1, "inner/lr": 0.1, "inner/deep": True}),  # type: ignore[call-arg]
    (Closed(inner=Open(extra="x")), {"lr": 0.1, "inner/lr": 0.1, "inner/extra": "x"}),  # type: ignore[call-arg]
    (Child(lr=0.2, units=8, more=[1, 2]), {"lr": 0.2, "units": 8, "more": [1, 2]}),  # type: ignore[call-arg]
    (Aliased(rate=0.5, more=1), {"rate": 0.5, "doubled": 1.0, "more": 1}),  # type: ignore[call-arg]
    (OpenData(lr=0.2, units=64), {"lr": 0.2, "units": 64}),  # type: ignore[call-arg]
    (Data(Open(units=3)), {"lr": 0.1, "model/lr": 0.1, "model/units": 3}),  # type: ignore[call-arg]
    (Attrs(Open(units=3)), {"lr": 0.1, "model/lr": 0.1, "model/units": 3}),  # type: ignore[call-arg]
    (Struct(Open(units=3)), {"lr": 0.1, "model/lr": 0.1, "model/units": 3}),  # type: ignore[call-arg]
    ({"cfg": [Open(units=3)]}, {"cfg": [{"lr": 0.1, "units": 3}]}),  # type: ignore[call-arg]
    (types.SimpleNamespace(lr=0.1, model=Open()), {"lr": 0.1, "model/lr": 0.1}),
    (Open(), {"lr": 0.1}),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_no_field_is_lost(given: Any, expected: dict[str, Any]) -> None:
    with multitrack.start_run(params=given, config={"delivery": "off"}):
        pass
    (found,) = multitrack.open_journal().runs()
    assert found.get_params() == expected


@pytest.mark.parametrize("inner", [Computed(), ComputedData()])
def test_computed_fields(inner: Any, caplog: pytest.LogCaptureFixture) -> None:
    with multitrack.start_run(params={"m": inner, "list": [inner]}, config={"delivery": "off"}):
        pass
    (found,) = multitrack.open_journal().runs()
    assert found.get_params() == {"m/units": 3, "m/squared": 9, "list": [{"units": 3, "squared": 9}]}
    said = "param left out: computed field Computed.broken: ZeroDivisionError: division by zero"
    assert (said in caplog.text) == isinstance(inner, Computed)


@pytest.mark.filterwarnings("ignore:.*V1.*")
def test_a_model_of_pydantic_1() -> None:
    from pydantic import v1

    class Old(v1.BaseModel):
        lr: float = 0.1

        class Config:
            extra = "allow"

    with multitrack.start_run(params=Old(units=64), config={"delivery": "off"}):
        pass
    (found,) = multitrack.open_journal().runs()
    assert found.get_params() == {"lr": 0.1, "units": 64}
