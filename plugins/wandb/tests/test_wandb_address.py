"""Which addresses are a project of W&B's, and at which server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from multitrack.errors import SourceError
from multitrack_wandb.address import ProjectAddress, parse_address


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("wandb://team/digits", (None, "team", "digits", None)),
        ("wandb://team/digits/runs/x%20y", (None, "team", "digits", "x y")),
        ("https://wandb.ai/team/digits", ("https://api.wandb.ai", "team", "digits", None)),
        ("https://wandb.ai/team/digits/runs/r1/overview", ("https://api.wandb.ai", "team", "digits", "r1")),
        ("https://forge.coreweave.com/wandb/team/digits", ("https://api.wandb.ai", "team", "digits", None)),
        ("https://acme.wandb.io/team/digits/table", ("https://acme.wandb.io", "team", "digits", None)),
        ("http://localhost:8080/team/digits", None),
        ("sqlite:///x.db", None),
    ],
)
def test_addresses(address: str, place: tuple[str | None, str, str, str | None] | None) -> None:
    assert parse_address(address, is_named=False) == (None if place is None else ProjectAddress(*place))


def test_pages_of_a_server_whose_api_is_at_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "https://api.acme.example")
    wanted = ProjectAddress("https://api.acme.example", "team", "digits")
    assert parse_address("https://app.acme.example/team/digits", is_named=False) == wanted
    assert parse_address("https://user:secret@app.acme.example/team/digits", is_named=True) == wanted
    assert parse_address("wandb://team/digits", is_named=False) == wanted
    assert str(wanted) == "https://api.acme.example/team/digits"


@pytest.mark.parametrize("address", ["wandb://team", "https://wandb.ai/team", "wandb:///"])
def test_an_address_without_a_project_is_an_error(address: str) -> None:
    with pytest.raises(SourceError, match=r"names no project of W&B: wandb://ENTITY/PROJECT"):
        parse_address(address, is_named=False)


def test_an_address_of_another_tracker_imports_no_sdk(tmp_path: Path) -> None:
    places = [str(tmp_path), "sqlite:///x.db", "http://localhost:5000"]
    program = (
        "import sys; from multitrack_wandb import backend\n"
        f"assert [backend.open_source(place, None) for place in {places}] == [None] * 3\n"
        "assert 'wandb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
