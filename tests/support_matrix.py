"""Makes the support matrix of README and ``docs/backends.md`` out of the backends' contracts.

``python tests/support_matrix.py`` writes both. A new backend is found by its ``plugins/*/tests/test_contract_*.py``.
"""

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

import msgspec

from multitrack import plugins
from multitrack.testing import BackendContract, Capabilities

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "backends.md"
README: Final = ROOT / "README.md"
#: The place of the table in README.
PLACE: Final = re.compile(r"(?<=<!-- support matrix -->\n).*?(?=<!-- end: support matrix -->)", re.DOTALL)

HEAD = """\
# What each backend keeps

multitrack records a run once, and a backend writes it to each tracker that you use. Trackers differ: one has no NaN,
another knows texts only, a third holds nothing but the latest number. Read this page to choose a tracker, or to find
out why yours shows a value in another form.

- **kept**: you read in the tracker what was recorded.
- **stand-in**: the tracker cannot hold it. The backend writes something else, visible and without loss. If that
  depends on the value, as for NaN, the delivery report says where it was done.
- **gap**: the tracker does not show it. It is still in the journal, and in every other tracker of the run.
- **picture**: a local figure is copied and shown, [if the option `upload` names its kind](delivery.md#figures).
  Otherwise, and in the other trackers, it stays a reference.

The table is made from the tests that every backend passes ([the contract](writing-a-plugin.md#the-contract)). But for
the order of points, something that is declared missing and works after all fails a test as well. What happens to single
values, such as very long texts, is on the page of each backend.
"""


class Row(NamedTuple):
    """A row of the table: what is kept, the test of the contract that shows it, and the capabilities that it takes."""

    label: str
    test: str
    takes: tuple[str, ...] = ()


ROWS: Final = (
    Row("params", "params_keep_their_values", ("params",)),
    Row("types of params", "params_keep_their_values", ("params", "typed_params")),
    Row("simple metrics", "a_simple_metric_keeps_its_last_value"),
    Row("series, every point", "a_series_keeps_every_point", ("history",)),
    Row("list metrics, every number", "a_list_metric_is_appended_to", ("history",)),
    Row("artifact references", "references_are_kept_without_copying", ("artifacts",)),
    Row("log lines", "lines_keep_order_and_text", ("lines",)),
    Row("tags", "tags_keep_their_last_value", ("tags",)),
    Row("names in any Unicode", "hostile_names", ("any_names",)),
    Row("NaN in a series", "nan_is_kept", ("nan",)),
    Row("±inf in a series", "infinity_is_kept", ("infinity",)),
    Row("steps that repeat or go back", "steps_may_repeat_and_go_back", ("history",)),
    Row("points in the order of their calls", "any_history", ("history", "call_order")),
    Row("the time of each point", "a_series_keeps_every_point", ("point_times",)),
    Row("the start and the end of a run", "how_a_run_ended", ("start_time", "end_time")),
    Row("the status of a run", "how_a_run_ended"),
    Row("the link to the parent run", "a_child_shows_its_parent"),
    Row("a resumed run goes on in place", "a_resumed_run_goes_on", ("resumable",)),
    Row("a redelivery doubles nothing", "a_redelivery_doubles_nothing"),
    Row("`multitrack verify` reads runs back", "a_run_is_read_back", ("read_back",)),
)


#: The row that no capability decides.
FIGURES: Final = "figures, if `upload` allows it"


def declared() -> dict[str, Capabilities]:
    """What each backend declares, by the name of its column: a backend, and a mode of it if modes differ."""
    columns: dict[str, Capabilities] = {}
    for path in sorted(ROOT.glob("plugins/*/tests/test_contract_*.py")):
        for contract in _contracts(_imported(path)):
            _check(contract)
            backend, found = contract.backend, contract.capabilities
            if columns.setdefault(backend, found) != found:
                columns[f"{backend}, {contract.__name__.removeprefix('Test')}"] = found
    return columns


def table(columns: dict[str, Capabilities]) -> str:
    """The matrix as Markdown."""
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[row.label, *(cell(found, row.takes) for found in columns.values())] for row in ROWS]
    rows.append(
        [FIGURES, *("picture" if _shows_figures(column.partition(",")[0]) else "reference" for column in columns)]
    )
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _shows_figures(backend: str) -> bool:
    """Whether a backend copies pictures, which its option ``upload`` then allows."""
    if backend not in plugins.installed():
        return False
    names = {field.name for field in msgspec.structs.fields(plugins.load_backend(backend).options_type())}
    return "upload" in names


def cell(found: Capabilities, takes: tuple[str, ...]) -> str:
    """The word for a row: kept, a stand-in, or a gap if any part of it is one."""
    missing = set(takes) & set(found.missing)
    return "kept" if not missing else "stand-in" if missing <= found.stand_ins.keys() else "gap"


def page(columns: dict[str, Capabilities]) -> str:
    """The page ``docs/backends.md``."""
    parts = [HEAD, table(columns)]
    for column, found in columns.items():
        backend = column.partition(",")[0]
        items = "\n".join(_reasons(found)) or "Everything in the table is kept."
        if unexplained := [name for name in found.missing if not {name} & {*found.stand_ins, *found.gaps}]:
            raise ValueError(f"{column} declares {unexplained} missing, and says in neither stand_ins nor gaps why")
        parts.append(f"## {column}\n\n{items}\n\nMore: [plugins/{backend}](../plugins/{backend}/README.md).")
    return "\n\n".join(part.strip() for part in parts) + "\n"


def readme(columns: dict[str, Capabilities]) -> str:
    """README, with the present table."""
    return PLACE.sub(lambda _: table(columns), README.read_text())


def _reasons(found: Capabilities) -> Iterator[str]:
    """An item for each text about something missing, with the rows that it is about."""
    words = [("stand-in", text) for text in found.stand_ins.values()] + [("gap", text) for text in found.gaps.values()]
    for word, text in dict.fromkeys(words):
        names = {name for name in found.missing if found.stand_ins.get(name, found.gaps.get(name)) == text}
        labels = [row.label for row in ROWS if names & set(row.takes)]
        yield f"- {word} for {'; '.join(labels)}: {text}."


def _contracts(module: ModuleType) -> Iterator[type[BackendContract]]:
    for name, found in inspect.getmembers(module, inspect.isclass):
        if name.startswith("Test") and issubclass(found, BackendContract):
            yield found


def _check(contract: type[BackendContract]) -> None:
    """Refuse a contract that says "kept" without the test that shows it."""
    for row in ROWS:
        test = f"test_{row.test}"
        if getattr(contract, test) is not getattr(BackendContract, test):
            raise ValueError(f"{contract.__qualname__} replaces {test}, which shows {row.label!r}")


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"support_matrix.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.path += [str(path) for path in ROOT.glob("plugins/*/tests")]
    COLUMNS = declared()
    PAGE.write_text(page(COLUMNS))
    README.write_text(readme(COLUMNS))
