"""The version of tables and data sets: Delta, made by deltalake, and Hugging Face, made by datasets."""

import json
from pathlib import Path

import pytest

from data_tools import ENVIRONMENT, logged, version


def test_a_delta_table_has_the_highest_version_of_its_log(tmp_path: Path) -> None:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    table = tmp_path / "table"
    for i in range(3):
        write_deltalake(str(table), pa.table({"x": [i]}), mode="append")
        assert version(table) == f"delta:{i}" == f"delta:{DeltaTable(str(table)).version()}"
    DeltaTable(str(table)).create_checkpoint()
    (table / "_delta_log" / f"{2:020}.json").unlink()  # what a cleanup of old commits leaves
    reference = logged(table, role="output")
    assert (reference.version, DeltaTable(str(table)).version()) == ("delta:2", 2)
    assert reference.digest is not None
    (table / "_delta_log" / f"{7:020}.json.tmp").touch()
    assert version(table, digest=False) == "delta:2"


def test_a_folder_with_an_empty_log_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "table" / "_delta_log").mkdir(parents=True)
    assert version(tmp_path / "table") is None


@pytest.mark.slow
def test_a_hugging_face_data_set_has_its_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from datasets import Dataset, DatasetDict

    train = Dataset.from_dict({"x": [1, 2, 3]})
    train.save_to_disk(str(tmp_path / "one"))
    assert version(tmp_path / "one") == f"hf:{train._fingerprint}"
    test = train.select([0])
    DatasetDict({"train": train, "test": test}).save_to_disk(str(tmp_path / "two"))
    assert version(tmp_path / "two") == f"hf:train={train._fingerprint},test={test._fingerprint}"
    (tmp_path / "two" / "test" / "state.json").unlink()
    assert version(tmp_path / "two") is None, "a part of a version"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"_fingerprint": 3}', "\xff", "{"])
def test_another_programs_state_json_is_no_data_set(tmp_path: Path, content: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.json").write_bytes(content.encode("latin-1"))
    assert version(tmp_path / "data") is None
    (tmp_path / "data" / "dataset_dict.json").write_text(json.dumps({"splits": []}))
    assert version(tmp_path / "data") is None
