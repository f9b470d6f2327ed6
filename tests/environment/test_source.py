"""The script, the notebook's cells, the lock files and the machine of a run."""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.environment import hardware as machine
from multitrack.journal.provenance import NOTEBOOK, SCRIPT, Gpu
from multitrack.reading.recorded_run import RecordedRun
from repositories import code_of, gather, kept

#: The beginning of ``nvidia-smi -q`` on a machine with two GPUs, and of what it says of each.
NVIDIA_SMI = """
==============NVSMI LOG==============

Timestamp                                 : Sun Nov 29 12:00:00 2026
Driver Version                            : 550.54.15
CUDA Version                              : 12.4

Attached GPUs                             : 2
GPU 00000000:17:00.0
    Product Name                          : NVIDIA H200
    FB Memory Usage
        Total                             : 143771 MiB
        Reserved                          : 575 MiB
    BAR1 Memory Usage
        Total                             : 262144 MiB
GPU 00000000:18:00.0
    Product Name                          : NVIDIA A100-SXM4-80GB
    FB Memory Usage
        Total                             : 81920 MiB
"""


def test_the_script_is_kept_with_its_secrets_redacted(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    content = "caf\xe9 = 1\r\n\tx\n".encode("latin-1")
    script.write_bytes(content + b"api_key = 'abc'\n")
    code = code_of(gather(tmp_path, tmp_path / "run", "script", program=script))
    assert kept(tmp_path / "run", SCRIPT) == content + b"api_key = '[redacted]'\n"
    assert (code.files, code.redacted) == ({SCRIPT: 36}, {SCRIPT: 1})


@pytest.mark.parametrize("kind", ["large", "FIFO", "archive", "missing", "private key"])
def test_a_script_that_is_left_out(tmp_path: Path, kind: str) -> None:
    script = tmp_path / "train.py"
    if kind == "FIFO":
        os.mkfifo(script)  # as of `python <(echo …)`
    elif kind != "missing":
        key = b"KEY = '''-----BEGIN PRIVATE KEY-----\nMII'''"
        script.write_bytes({"large": b"#" * 1_000_001, "archive": b"PK\0\0", "private key": key}[kind])
    code = code_of(gather(tmp_path, tmp_path / "run", "script", program=script))
    reason = {
        "large": "larger than 1,000,000 bytes", "FIFO": "not a regular file", "archive": "binary",
        "missing": "No such file or directory", "private key": "it holds a private key",
    }[kind]  # fmt: skip
    assert (list(code.left_out.values()), code.files) == ([reason], {})


def test_the_cells_of_a_notebook(tmp_path: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        shell.run_cell("%time lr = 1", store_history=True)
        shell.run_cell("password = 'hunter2'\nlr = 2", store_history=True)
        gather(tmp_path, tmp_path / "run", "script")
    finally:
        InteractiveShell.clear_instance()
    assert kept(tmp_path / "run", NOTEBOOK).decode() == (
        "# %% cell 1\n%time lr = 1\n\n# %% cell 2\npassword = '[redacted]'\nlr = 2\n\n"
    )


def test_digests_of_lock_files(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("version = 1\n")
    os.mkfifo(tmp_path / "requirements.txt")
    context = gather(tmp_path, tmp_path / "run", "packages")
    digest = hashlib.sha256(b"version = 1\n").hexdigest()
    assert code_of(context).locks == {str(tmp_path / "uv.lock"): f"sha256:{digest}"}
    assert code_of(context).left_out == {str(tmp_path / "requirements.txt"): "not a regular file"}
    assert context.packages["msgspec"]


@pytest.mark.parametrize("smi", ["", "works", "fails"])
def test_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smi: str) -> None:
    machine._machine.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "driver")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if smi else str(tmp_path))
    (tmp_path / "driver" / "gpus" / "0000:17:00.0").mkdir(parents=True)
    (tmp_path / "driver" / "gpus" / "0000:17:00.0" / "information").write_text("Model: \t\t NVIDIA H200\nIRQ: 1\n")
    (tmp_path / "driver" / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n")
    if smi:
        (tmp_path / "log").write_text(NVIDIA_SMI)
        program = f"#!/bin/sh\ncat {tmp_path}/log\nexit {int(smi == 'fails')}\n"
        (tmp_path / "nvidia-smi").write_text(program)
        (tmp_path / "nvidia-smi").chmod(0o755)
    found = gather(tmp_path, tmp_path / "run", "hardware").hardware
    machine._machine.cache_clear()
    assert found is not None
    assert (found.cpus, found.usable_cpus) == (os.cpu_count(), len(os.sched_getaffinity(0)))
    assert found.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found.system
    assert found.cpu
    assert (found.kernel, found.machine) == (os.uname().release, os.uname().machine)
    assert (found.driver, found.visible) == ("550.54.15", "1")
    if smi == "works":
        assert found.cuda == "12.4"
        assert found.gpus == [Gpu("NVIDIA H200", "143771 MiB"), Gpu("NVIDIA A100-SXM4-80GB", "81920 MiB")]
    else:
        assert (found.gpus, found.cuda) == ([Gpu("NVIDIA H200")], None)


def test_each_part_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text("lr = 1\n")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "train.py"), raising=False)

    def recorded(**config: Any) -> Any:
        run = multitrack.start_run(config={"delivery": "off", **config})
        run.end()
        assert run.directory is not None
        return RecordedRun(run.directory).context

    whole = recorded()
    assert whole.packages
    assert whole.hardware
    assert whole.code.files == {SCRIPT: 7}
    nothing = recorded(code=[])
    assert (nothing.packages, nothing.hardware, nothing.code, nothing.git) == ({}, None, None, None)
    assert nothing.complete
    monkeypatch.setenv("MULTITRACK_CODE", "packages,git")
    some = recorded()
    assert (bool(some.packages), some.hardware, some.code.files) == (True, None, {})
    assert list(some.code.left_out) == ["git"]
    monkeypatch.delenv("MULTITRACK_CODE")
    with pytest.raises(multitrack.ConfigError, match=r"invalid value for code: \['dif'\].*one of 'diff', 'git', 'hard"):
        recorded(code=["dif"])


def test_a_full_disk_is_said_and_the_rest_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train.py").write_text("lr = 1\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "code").write_text("in the way")
    context = gather(tmp_path, tmp_path / "run", "script", "hardware", program=tmp_path / "train.py")
    assert context.hardware
    assert list(code_of(context).left_out) == [SCRIPT]
    assert "script.py was not written" in caplog.text
