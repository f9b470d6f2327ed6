"""The README names every option, every family and every limit; its config is one."""

import re
import tomllib
from pathlib import Path

import msgspec

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
    assert {name if name != "multitrack_records" else f"{name}_total" for name in exposition.HELP} <= told


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{values.TAG_VALUES} different values of a tag" in README
    assert f"{labels.LONGEST} characters of a tag's value" in README
    assert f"{values.COUNTED:,}" in README
    assert f"the next free one up to {served.PORTS - 1} further" in README
    assert f"every {textfile.REFRESH:.0f} s" in README


def test_the_config_is_taken(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert tomllib.loads(block)["backends"] == ["mlflow", "prometheus"]
    (tmp_path / "multitrack.toml").write_text('backends = ["prometheus"]\ndelivery = "off"\n')
    run = multitrack.start_run(config=str(tmp_path / "multitrack.toml"))
    run.end()
    assert str(PrometheusOptions().port) in README.partition("static_configs")[2].partition("]")[0]
