"""The README names every option, every family and every limit; its config is one."""

import re
import tomllib
from pathlib import Path

import msgspec
from prometheus_reader import of_run, written
from prometheus_runs import delivered, start

import multitrack
from multitrack_prometheus import PrometheusOptions, exposition, labels, served, textfile, values

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_every_option_is_told_with_its_name_and_default() -> None:
    told = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", README.partition("## Options")[2], re.MULTILINE)
    fields = msgspec.structs.fields(PrometheusOptions)
    assert [name for name, _ in told][: len(fields)] == [field.name for field in fields]
    for (_, default), option in zip(told, msgspec.structs.asdict(PrometheusOptions()).values(), strict=False):
        assert default == ("none" if option is None else f"`{option!r}`".replace("'", '"'))


def test_every_family_is_told() -> None:
    told = set(re.findall(r"multitrack_[a-z_]+[a-z]", README))
    counters = {name for name, kind in exposition.KINDS.items() if kind == "counter"}
    assert {f"{name}_total" if name in counters else name for name in exposition.HELP} <= told


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{values.TAG_VALUES} different values of a tag" in README
    assert f"{labels.LONGEST} characters of a tag's value" in README
    assert f"{values.COUNTED:,}" in README
    assert f"the next free one up to {served.PORTS - 1} further" in README
    assert f"every {textfile.REFRESH:.0f} s" in README


def test_the_series_of_a_worker_are_so_many(tmp_path: Path) -> None:
    run = start(tmp_path, {"mode": "textfile", "directory": str(tmp_path / "node")}, deployment="eu")
    run.log_metrics({"score": 1, "latency": 0.0034, "class": 7})
    backend_id, _ = delivered(tmp_path, run)
    found = of_run(written(tmp_path / "node"), backend_id)
    assert f"has {len(found)}, and three more for each further backend" in README
    run.end()


def test_the_config_of_a_service_is_taken() -> None:
    block = tomllib.loads(re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[1])
    options = msgspec.convert(block["prometheus"], PrometheusOptions)
    assert set(options.bounds) == {"latency", "class"}


def test_the_config_is_taken(tmp_path: Path) -> None:
    block, _ = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert tomllib.loads(block)["backends"] == ["mlflow", "prometheus"]
    (tmp_path / "multitrack.toml").write_text('backends = ["prometheus"]\ndelivery = "off"\n')
    run = multitrack.start_run(config=str(tmp_path / "multitrack.toml"))
    run.end()
    assert str(PrometheusOptions().port) in README.partition("static_configs")[2].partition("]")[0]
