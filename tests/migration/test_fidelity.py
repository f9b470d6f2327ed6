"""A short form of ``python tests/migration/fidelity.py``: one source and one target, as the page has them."""

from __future__ import annotations

from pathlib import Path

import pytest

import fidelity


@pytest.mark.slow
def test_the_page_has_the_measured_share(tmp_path: Path) -> None:
    text = fidelity.PAGE.read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| MLflow | ") and " of " in line]
    cells = dict(zip(fidelity.TARGETS, [cell.strip() for cell in row.split("|")[2:-1]], strict=True))
    measured = dict(fidelity.measure("MLflow", ("trackio",), tmp_path))
    assert {target: fidelity.cell(found) for target, found in measured.items()} == {"trackio": cells["trackio"]}
