"""What holds: arguments over environment over file over defaults, and where each value came from.

The file is ``multitrack.toml``, or ``[tool.multitrack]`` in ``pyproject.toml``, searched upwards from the current
directory; ``MULTITRACK_CONFIG`` names one. Top-level keys are :class:`Settings`; each backend has a table.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, unquote

import msgspec

from multitrack import plugins
from multitrack.environment import variables
from multitrack.errors import ConfigError
from multitrack.inputs.names import error_text, short_repr, type_name
from multitrack.inputs.params import plain_tree
from multitrack.security.secrets import is_secret_name

#: A backend option that is a path: made absolute from the file it stands in.
PathOption = Annotated[str, msgspec.Meta(extra={"multitrack": "path"})]
#: A backend option that is a URI or a path; SQLite and file URIs, and bare paths, are made absolute.
UriOption = Annotated[str, msgspec.Meta(extra={"multitrack": "uri"})]
#: A backend option that has local files sent away: `multitrack sync` follows it only where the config there says the
#: same, as a journal may have been sent by somebody else.
FilesOption = Annotated[list[str], msgspec.Meta(extra={"multitrack": "files"})]

FILE: Final = "multitrack.toml"
#: In seconds; what is to come again cannot come again after infinity.
_A_YEAR: Final = 366 * 86400
DEFAULT: Final = "default"
_fields: Final = functools.cache(msgspec.structs.fields)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The top-level keys of the config.

    Attributes:
        project: Project of runs that name none; default: the current directory's name.
        backends: Where runs are delivered.
        journal: Where journals live.
        delivery: ``process``: a courier process of its own; ``thread``: a thread of the training process;
            ``off``: journal only, ``multitrack sync`` later.
        exit: ``wait``: the end of a run waits as long as records move; ``detach``: it returns at once, and the courier
            goes on alone for at most ``detach_limit`` seconds.
        detach_limit: Seconds that a courier goes on after the training process, at most.
        ranks: Of a training in several processes: ``zero``: only rank 0 records; ``all``: each rank is a child run;
            ``off``: nobody asks for the rank, each process records runs of its own.
        mistakes: What a wrong call does: ``raise``, or ``warn`` and set the record aside, counted.
        plugins: Plugins that are no backends, by entry point or import path.
        interval: Seconds between deliveries while training runs.
        fsync: Seconds after which a record is on the medium and outlives a power cut; ``false``: as the kernel likes.
    """

    project: str | None = None
    backends: list[str] = []
    journal: PathOption = ".multitrack"
    delivery: Literal["process", "thread", "off"] = "process"
    exit: Literal["wait", "detach"] = "wait"
    detach_limit: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    ranks: Literal["zero", "all", "off"] = "zero"
    mistakes: Literal["raise", "warn"] = "raise"
    plugins: list[str] = []
    interval: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] = 1.0
    fsync: Annotated[float, msgspec.Meta(gt=0, le=_A_YEAR)] | bool = False

    def __post_init__(self) -> None:
        if self.fsync is True:
            raise ValueError("fsync = true does not say how often; false, or seconds such as 1.0")


class Origin(msgspec.Struct, frozen=True):
    """Where a value came from.

    Attributes:
        place: Words for a message.
        base: The directory that its relative paths start from; ``None``: the current one, which was deleted.
    """

    place: str
    base: Path | None


class Config:
    """What holds for a run.

    Attributes:
        settings: The top-level settings, checked.
        origins: Where each setting came from, by name.
        file: The config file, if one was found.
        given: The settings that the file, or the mapping, has.
        tables: The tables of backends that it has.
    """

    def __init__(
        self,
        settings: Settings,
        origins: dict[str, str],
        tables: dict[str, dict[str, tuple[Any, Origin]]],
        file: Path | None,
        given: frozenset[str] = frozenset(),
    ) -> None:
        self.settings = settings
        self.origins = origins
        self.file = file
        self.given = given
        self.tables = tables

    def options(
        self, backend: plugins.Backend, inherited: Mapping[str, Any] | None = None
    ) -> tuple[msgspec.Struct, dict[str, str]]:
        """A backend's options, checked and with absolute paths, and where each came from.

        Args:
            backend: The backend.
            inherited: Options that hold where this config has none.

        Raises:
            ConfigError: An unknown option, or a value that cannot hold; names the place and the key.
        """
        kind = backend.options_type()
        fields = {field.encode_name: field for field in _fields(kind)}
        given = dict(self.tables.get(backend.name, {}))
        given.update(
            _from_environment(f"{variables.variable_of(backend.name)}_", fields, f"option of backend {backend.name}")
        )
        values: dict[str, Any] = dict(inherited or {})
        origins = dict.fromkeys(fields, DEFAULT)
        for key, (value, origin) in given.items():
            if key not in fields:
                raise ConfigError(f"{origin.place}: [{backend.name}] has no option {key!r}; {_closest(key, fields)}")
            values[key] = _converted(value, fields[key].type, origin, f"[{backend.name}] {key}")
            origins[key] = origin.place
        here = Origin(DEFAULT, _here())
        for key, field in fields.items():
            if key not in values and isinstance(field.default, str) and role_of(field.type):
                values[key] = _converted(field.default, field.type, here, key)
        try:
            options = kind(**values)
        except (ValueError, TypeError) as error:
            places = sorted({origin for key, origin in origins.items() if origin != DEFAULT}) or [self.place()]
            raise ConfigError(f"{', '.join(places)}: [{backend.name}] {error}") from error
        return options, origins

    def check_tables(self, loaded: Iterable[str]) -> None:
        """Check that every table belongs to a backend: one of ``loaded``, or one that is known or installed.

        Raises:
            ConfigError: One does not.
        """
        unknown = [name for name in self.tables if name not in {*loaded, *plugins.KNOWN}]
        # what is installed is looked up last, as that takes a scan of all distributions
        if unknown and (rest := [name for name in unknown if name not in plugins.available()]):
            origin = next((where for _, where in self.tables[rest[0]].values()), None)
            hint = "" if self.file else " For hyperparameters, did you mean params=?"
            raise ConfigError(
                f"{origin.place if origin else self.place()}: [{rest[0]}] is neither a setting nor a backend; "
                f"{_closest(rest[0], [*plugins.KNOWN, *plugins.available()])}{hint}"
            )

    def check_variables(self, loaded: Iterable[str]) -> None:
        """Warn of variables that begin like ours and that nothing reads.

        Args:
            loaded: Names of the backends in use; options of others that are known or installed are let be.
        """
        if unknown := variables.unknown_variables(self.origins):

            def of_none(names: Iterable[str]) -> list[str]:
                begins = tuple(f"{variables.variable_of(name)}_" for name in names)
                return [variable for variable in unknown if not variable.startswith(begins)]

            # as for tables, what is installed is looked up last
            if unknown := of_none([*loaded, *self.tables, *plugins.KNOWN]):
                variables.warn_of(of_none(plugins.available()), self.origins)

    def place(self) -> str:
        """Where one would write a setting: the file in use, or the one to create."""
        return str(self.file) if self.file else FILE


def load_config(
    config: object = None, *, arguments: Mapping[str, Any] | None = None, start: Path | None = None
) -> Config:
    """Read the config that holds here and now.

    Args:
        config: The path of a TOML file, a mapping of the same shape, or ``None`` to search upwards.
        arguments: Settings given as arguments; they override everything. ``None`` values are not given.
        start: Where the search starts; default: the current directory.

    Raises:
        ConfigError: Unreadable, an unknown key, or a value that cannot hold.
    """
    start = start or _here()
    table, origin, file = _read(config, start)
    fields = {field.name: field for field in _fields(Settings)}
    given: dict[str, tuple[Any, Origin]] = {}
    tables: dict[str, dict[str, tuple[Any, Origin]]] = {}
    for key, value in table.items():
        if key in fields:
            given[key] = (value, origin)
        elif isinstance(value, dict):
            tables[key] = {option: (setting, origin) for option, setting in value.items()}
        else:
            hint = " For hyperparameters, did you mean params=?" if config is not None and not file else ""
            raise ConfigError(f"{origin.place}: unknown setting {key!r}; {_closest(key, fields)}{hint}")
    in_table = frozenset(given)
    given.update(_from_environment(variables.PREFIX, fields, "setting"))
    here = Origin("argument", start)
    given.update({key: (plain_tree(value), here) for key, value in (arguments or {}).items() if value is not None})
    values = {key: _converted(value, fields[key].type, where, key) for key, (value, where) in given.items()}
    if "journal" not in values:
        values["journal"] = _absolute_path(Settings().journal, origin.base)
    origins = {name: given[name][1].place if name in given else DEFAULT for name in fields}
    try:
        settings = Settings(**values)
    except ValueError as error:
        raise ConfigError(f"{origins['fsync']}: {error}") from error
    return Config(settings, origins, tables, file, in_table)


def current_directory() -> Path:
    """The current directory, for defaults of options that lie there.

    Raises:
        ConfigError: It was deleted.
    """
    here = _here()
    if here is None:
        raise ConfigError("the current directory was deleted; start from one that exists, or give absolute paths")
    return here


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None


def _read(config: object, start: Path | None) -> tuple[dict[str, Any], Origin, Path | None]:
    """The table that was given or found, its origin, and its file."""
    if isinstance(config, Mapping):
        return _of_call(plain_tree, config), Origin("argument config", start), None
    if config is None:
        named = os.environ.get("MULTITRACK_CONFIG")
        path = Path(_absolute_path(named, start)) if named else _search(start)
        if path is None:
            return {}, Origin(FILE, start), None
    elif isinstance(config, (str, os.PathLike)):
        path = Path(_absolute_path(_of_call(os.fspath, config), start))
    else:
        raise ConfigError(
            f"config must be the path of a TOML file or a mapping of the same shape, got {type(config).__name__}; "
            "for hyperparameters, did you mean params=?"
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"config file {path} does not exist") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read config file {path}: {reason}") from error
    if path.name == "pyproject.toml":
        table = table.get("tool", {}).get("multitrack", {})
    return table, Origin(str(path), path.parent), path


def _of_call(read: Callable[[Any], Any], config: object) -> Any:
    """What ``config=`` holds; its objects are the caller's, and may raise anything."""
    try:
        return read(config)
    except Exception as error:
        raise ConfigError(f"argument config: it cannot be read: {error_text(error)}") from error


def _search(start: Path | None) -> Path | None:
    for directory in () if start is None else (start, *start.parents):
        if (directory / FILE).is_file():
            return directory / FILE
        pyproject = directory / "pyproject.toml"
        if pyproject.is_file():
            try:
                if "multitrack" in tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {}):
                    return pyproject
            except (OSError, ValueError):
                continue  # somebody else's file; theirs to mend
    return None


def _from_environment(prefix: str, fields: Mapping[str, Any], what: str) -> dict[str, tuple[Any, Origin]]:
    """What the environment sets of ``fields``; a variable that almost names one is an error."""
    names = {prefix + name.upper(): name for name in fields}
    settings = prefix == variables.PREFIX  # else a backend's options, all of whose variables are known
    known = {*names, *variables.OTHERS} if settings else set(names)
    found: dict[str, tuple[Any, Origin]] = {}
    for variable, text in os.environ.items():
        if variable in names:
            found[names[variable]] = (text, Origin(f"environment variable {variable}", _here()))
        elif variable.startswith(prefix) and variable not in variables.OTHERS and (
            not settings or variables.closest_to(variable, known)
        ):  # fmt: skip
            raise ConfigError(f"environment variable {variable} is no {what}; {_closest(variable, known)}")
    return found


def _converted(value: Any, kind: Any, origin: Origin, key: str) -> Any:
    """A value as its field's type, paths made absolute."""
    if isinstance(value, str) and origin.place.startswith("environment"):
        if msgspec.json.schema(kind).get("type") == "array":
            value = [item.strip() for item in value.split(",") if item.strip()]
        converted = _convert(value, kind, origin, key, strict=False)
    else:
        converted = _convert(value, kind, origin, key, strict=True)
    role = role_of(kind)
    if converted is None or role not in ("path", "uri"):
        return converted
    try:
        return (_absolute_path if role == "path" else absolute_uri)(converted, origin.base)
    except ConfigError as error:
        raise ConfigError(f"{origin.place}: {key} = {short_repr(value)}: {error}") from None


def _convert(value: Any, kind: Any, origin: Origin, key: str, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        text = type_name(value) if is_secret_name(key.rpartition(" ")[2]) else short_repr(value)
        raise ConfigError(f"{origin.place}: {key} = {text} cannot hold: {error}{_choices(kind)}") from error


def _choices(kind: Any) -> str:
    options = msgspec.json.schema(kind).get("enum")
    return f"; one of {', '.join(map(repr, options))}" if options else ""


def role_of(kind: Any) -> str | None:
    """``path``, ``uri`` or ``files`` for options annotated as such, also where they may be ``None``."""
    for part in (kind, *getattr(kind, "__args__", ())):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "multitrack" in meta.extra:
                return str(meta.extra["multitrack"])
    return None


def _absolute_path(path: str, base: Path | None) -> str:
    expanded = Path(path).expanduser()
    if not expanded.is_absolute():
        expanded = (base or current_directory()) / expanded
    return str(Path(os.path.normpath(expanded)))


def absolute_uri(uri: str, base: Path | None = None) -> str:
    """A URI that does not depend on the current directory: ``sqlite:///x.db``, ``file:x`` and bare paths made absolute.

    In a SQLite URI the path is percent-encoded where it holds ``%``, ``?``, ``#`` or bytes that are no UTF-8, so that a
    directory called ``q?m=1`` is no query.

    Args:
        uri: A URI or path; absolute ones and those of other schemes stay as they are.
        base: Where relative ones start; default: the current directory.

    Raises:
        ConfigError: It is relative, and the current directory was deleted.
    """
    sqlite = re.fullmatch(r"(sqlite(?:\+\w+)?:///)([^/?:][^?]*)(\?.*)?", uri)
    if sqlite:
        path = _absolute_path(unquote(sqlite[2], errors="surrogateescape"), base)
        return f"{sqlite[1]}{_escaped(path)}{sqlite[3] or ''}"
    if re.match(r"file:(?!/)", uri):
        return f"file://{_absolute_path(uri[5:], base)}"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri) or uri in {"", "databricks"}:
        return uri
    return _absolute_path(uri, base)


def _escaped(path: str) -> str:
    return re.sub(r"[%?#\udc80-\udcff]", lambda match: quote(os.fsencode(match[0]), safe=""), path)


def _closest(name: str, choices: Iterable[str]) -> str:
    known = sorted(set(choices))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}."
