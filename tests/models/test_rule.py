"""The rule that numbers versions: a number for each kind of change, and the reasons."""

from dataclasses import dataclass
from typing import Any

import pytest

from multitrack.models.facts import Facts, Objective
from multitrack.models.numbers import Number
from multitrack.models.rule import next_number

SCHEMA = {"inputs": [{"shape": [None, 4]}], "outputs": [{"shape": [None, 2]}], "architecture": "sha256:1"}
TABLE = {"columns": {"age": "int64", "fare": "float64"}, "target": ["survived"]}


@dataclass
class Version:
    number: Number
    facts: Facts


def facts(accuracy: float | None = 0.9, **changed: Any) -> Facts:
    known: dict[str, Any] = {
        "schema": SCHEMA, "data": {"train": "dvc:md5:1"},
        "digests": {"train": "sha256:1"}, "schemas": {"train": TABLE},
        "objective": Objective("accuracy", "max", accuracy), "commit": "a" * 40, "source": "sha256:s", "params": "sha256:p",
    }  # fmt: skip
    return Facts(**{**known, **changed})


def numbered(*all_facts: Facts) -> list[tuple[str, str]]:
    versions: list[Version] = []
    found = []
    for new in all_facts:
        number, reasons = next_number(new, versions)
        versions.append(Version(number, new))
        found.append((str(number), "; ".join(reasons)))
    return found


@pytest.mark.parametrize(
    ("new", "number", "reason"),
    [
        (facts(0.95), "1.1.0", "accuracy improved from 0.9 (1.0.0) to 0.95 on the same data"),
        (facts(0.9), "1.0.1", "trained again with the same code, params and data, compared with 1.0.0; "
                              "accuracy 0.9 is not better than 0.9 (1.0.0) on the same data"),
        (facts(0.9, params="sha256:q"), "1.0.1", "params changed, compared with 1.0.0"),
        (facts(0.9, commit="b" * 40), "1.0.1", "the code changed from commit aaaaaaaaaaaa to bbbbbbbbbbbb"),
        (facts(0.9, source="sha256:t"), "1.0.1", "uncommitted changes of the code differ"),
        (facts(0.9, schema={**SCHEMA, "architecture": "sha256:2"}), "1.0.1", "the architecture changed"),
        (facts(0.99, data={"train": "dvc:md5:2"}, digests={}), "1.0.1", "train changed from dvc:md5:1 to dvc:md5:2"),
        (facts(0.99, data={"train": "git:abc:train"}, digests={"train": "sha256:1"}), "1.1.0", "on the same data"),
        (facts(0.99, digests={"train": "sha256:2"}), "1.0.1", "train changed from dvc:md5:1 to dvc:md5:1"),
        (facts(0.99, data={}), "1.0.1", "the version of the training data is not known"),
        (facts(0.99, data={"train": None}), "1.0.1", "the version of the training data is not known"),
        (facts(None), "1.0.1", "the run has no finite accuracy"),
        (facts(objective=None), "1.0.1", "no objective was named"),
        (facts(objective=Objective("f1", "max", 0.99)), "1.0.1", "no earlier version has f1 on this data"),
        (facts(schema={**SCHEMA, "inputs": [{"shape": [None, 5]}]}), "2.0.0",
         'inputs changed from [{"shape": [null, 4]}] to [{"shape": [null, 5]}], compared with 1.0.0'),
        (facts(schema={**SCHEMA, "outputs": [{"shape": [None, 3]}]}), "2.0.0", "outputs changed"),
        (facts(schemas={"train": {**TABLE, "target": ["fare"]}}), "2.0.0",
         'the target of train changed from ["survived"] to ["fare"]'),
        (facts(schemas={"train": {**TABLE, "columns": {"age": "int64"}}}), "2.0.0", "train lost fare"),
        (facts(schemas={"train": {**TABLE, "columns": {**TABLE["columns"], "sex": "str"}}}), "2.0.0", "train gained sex"),
        (facts(schemas={"train": {**TABLE, "columns": {"age": "float64", "fare": "float64"}}}), "2.0.0",
         "train changed the type of age"),
        (facts(schemas={"train": {"digest": "sha256:x"}}), "2.0.0", "the schema of train changed"),
        (facts(0.95, schema=None, schemas={}), "1.1.0", "accuracy improved"),
        (facts(0.95, schemas={"train": {"columns": dict(reversed(TABLE["columns"].items()))}}), "1.1.0", "improved"),
    ],
)  # fmt: skip
def test_each_kind_of_change(new: Facts, number: str, reason: str) -> None:
    first, second = numbered(facts(), new)
    assert first == ("1.0.0", "the first version")
    assert second[0] == number
    assert reason in second[1]


def test_minor_needs_more_than_the_best_on_this_data() -> None:
    loss = [facts(objective=Objective("loss", "min", value)) for value in (0.5, 0.4, 0.45, 0.3)]
    elsewhere = facts(objective=Objective("loss", "min", 0.1), data={"train": "dvc:md5:2"}, digests={})
    assert [number for number, _ in numbered(*loss[:3], elsewhere, loss[3])] == [
        "1.0.0", "1.1.0", "1.1.1", "1.1.2", "1.2.0",
    ]  # fmt: skip


def test_a_new_major_starts_without_a_best() -> None:
    wider = {**SCHEMA, "inputs": [{"shape": [None, 5]}]}
    found = numbered(facts(0.99), facts(0.5, schema=wider), facts(0.6, schema=wider), facts(0.55, schema=wider))
    assert [number for number, _ in found] == ["1.0.0", "2.0.0", "2.1.0", "2.1.1"]


@pytest.mark.parametrize("text", ["1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.-1", "1.0.0\n", "١.0.0", "1.0.9999999999"])
def test_other_texts_are_no_number(text: str) -> None:
    assert Number.parse(text) is None


def test_numbers_sort_by_their_parts() -> None:
    texts = ["1.0.0", "1.0.2", "1.0.10", "1.2.0", "1.10.0", "2.0.0"]
    assert [
        str(number) for number in sorted(Number.parse(text) or Number(0, 0, 0) for text in reversed(texts))
    ] == texts
