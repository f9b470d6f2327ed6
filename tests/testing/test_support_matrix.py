"""The table of what each backend keeps: in README and docs as the contracts have it, and made without a lie."""

import dataclasses

import pytest

import support_matrix
from multitrack.testing import BackendContract, Capabilities
from support_matrix import PAGE, README, ROOT, ROWS, cell, declared, page, readme


def test_the_matrix_is_that_of_the_contracts() -> None:
    columns = declared()
    assert {column.partition(",")[0] for column in columns} == {path.name for path in (ROOT / "plugins").iterdir()}
    assert PAGE.read_text() == page(columns), "run: python tests/support_matrix.py"
    assert README.read_text() == readme(columns), "run: python tests/support_matrix.py"
    assert "| params | kept | " in README.read_text()


def test_every_capability_is_in_a_row() -> None:
    flags = {field.name for field in dataclasses.fields(Capabilities) if field.type == "bool"}
    assert {name for row in ROWS for name in row.takes} == flags
    assert len(flags) == 15


def test_the_word_of_a_cell() -> None:
    found = Capabilities(nan=False, lines=False, stand_ins={"nan": "text"}, gaps={"lines": "numbers only"})
    assert cell(found, ("tags",)) == "kept"
    assert cell(found, ("tags", "nan")) == "stand-in"
    assert cell(found, ("nan", "lines")) == "gap"


def test_a_gap_needs_words() -> None:
    with pytest.raises(ValueError, match=r"mine declares \['lines'\] missing, and says in neither"):
        page({"mine": Capabilities(lines=False)})


def test_modes_of_a_backend_that_differ_have_columns() -> None:
    both = {"mine": Capabilities(), "mine, Push": Capabilities(lines=False, gaps={"lines": "numbers only"})}
    assert "## mine, Push\n\n- gap for log lines: numbers only.\n\nMore: [plugins/mine]" in page(both)


def test_a_contract_without_the_test_of_a_row_is_refused() -> None:
    class Lenient(BackendContract):
        backend = "mine"

        def test_nan_is_kept(self, tmp_path: object) -> None:
            """Passes, whatever the tracker holds."""

    with pytest.raises(ValueError, match="Lenient replaces test_nan_is_kept, which shows 'NaN in a series'"):
        support_matrix._check(Lenient)
