"""Load the config: arguments override the environment, then the file, then defaults; each value keeps its origin.

The file is ``multitrack.toml``, or ``[tool.multitrack]`` in ``pyproject.toml``, searched upwards from the current
directory, or the file that ``MULTITRACK_CONFIG`` names. Top-level keys are :class:`Settings`; each backend has a table.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack import plugins
from multitrack._text import error_text
from multitrack.config import variables
from multitrack.config.conversion import Origin, absolute_path, closest_of, converted, working_directory
from multitrack.config.nested import converted_tables
from multitrack.config.settings import Settings, role_of
from multitrack.errors import ConfigError
from multitrack.inputs.params import plain_tree

FILE: Final = "multitrack.toml"
DEFAULT: Final = "default"
_fields: Final = functools.cache(msgspec.structs.fields)


class Config:
    """The loaded config of a run.

    Attributes:
        settings: The checked top-level settings.
        origins: The origin of each setting, by name.
        file: The config file, if one was found.
        given: Names of the settings in the file or mapping.
        tables: The backend tables in the file or mapping.
        base: The directory of relative paths in the file or mapping.
    """

    def __init__(
        self,
        settings: Settings,
        origins: dict[str, str],
        tables: dict[str, dict[str, tuple[Any, Origin]]],
        file: Path | None,
        given: frozenset[str] = frozenset(),
        base: Path | None = None,
    ) -> None:
        self.settings = settings
        self.origins = origins
        self.file = file
        self.given = given
        self.tables = tables
        self.base = base

    def options(
        self, backend: plugins.Backend, inherited: Mapping[str, Any] | None = None
    ) -> tuple[msgspec.Struct, dict[str, str]]:
        """Check a backend's options and make their paths absolute; return them with the origin of each.

        Args:
            backend: The backend.
            inherited: Options to use where this config has none.

        Raises:
            ConfigError: If an option is unknown or a value is invalid; the message names the place and the key.
        """
        kind = backend.options_type()
        fields = {field.encode_name: field for field in _fields(kind)}
        given = dict(self.tables.get(backend.name, {}))
        given.update(
            _from_environment(f"{variables.variable_of(backend.name)}_", fields, f"an option of backend {backend.name}")
        )
        values: dict[str, Any] = dict(inherited or {})
        origins = dict.fromkeys(fields, DEFAULT)
        for key, (value, origin) in given.items():
            if key not in fields:
                raise ConfigError(
                    f"{origin.place}: [{backend.name}] has no option {key!r}; {closest_of(key, fields)}",
                    key=f"{backend.name}.{key}", source=origin.place,
                )  # fmt: skip
            values[key] = converted(value, fields[key].type, origin, f"[{backend.name}] {key}")
            origins[key] = origin.place
        here = Origin(DEFAULT, working_directory())
        for key, field in fields.items():
            if key not in values and isinstance(field.default, str) and role_of(field.type):
                values[key] = converted(field.default, field.type, here, key)
        try:
            options = kind(**values)
        except (ValueError, TypeError) as error:
            places = sorted({origin for key, origin in origins.items() if origin != DEFAULT}) or [self.place()]
            source = ", ".join(places)
            raise ConfigError(f"{source}: [{backend.name}] {error}", key=backend.name, source=source) from error
        return options, origins

    def check_tables(self, loaded: Iterable[str]) -> None:
        """Check that every table belongs to a backend: one of ``loaded``, or a known or installed one.

        Raises:
            ConfigError: If a table does not.
        """
        unknown = [name for name in self.tables if name not in {*loaded, *plugins.KNOWN}]
        # installed plugins are looked up last, because that scans all distributions
        if unknown and (rest := [name for name in unknown if name not in plugins.available()]):
            origin = next((where for _, where in self.tables[rest[0]].values()), None)
            hint = "" if self.file else " For hyperparameters, did you mean params=?"
            raise ConfigError(
                f"{origin.place if origin else self.place()}: [{rest[0]}] is neither a setting nor a backend; "
                f"{closest_of(rest[0], [*plugins.KNOWN, *plugins.available()])}{hint}",
                key=rest[0],
                source=origin.place if origin else self.place(),
            )

    def check_variables(self, loaded: Iterable[str]) -> None:
        """Warn about unknown environment variables with our prefix.

        Args:
            loaded: Names of the backends in use; variables of other known or installed backends are ignored too.
        """
        if unknown := variables.unknown_variables(self.origins):

            def of_none(names: Iterable[str]) -> list[str]:
                begins = tuple(f"{variables.variable_of(name)}_" for name in names)
                return [variable for variable in unknown if not variable.startswith(begins)]

            # as for tables, installed plugins are looked up last
            if unknown := of_none([*loaded, *self.tables, *plugins.KNOWN]):
                variables.warn_of(of_none(plugins.available()), self.origins)

    def place(self) -> str:
        """The place to write a setting: the file in use, or the one to create."""
        return str(self.file) if self.file else FILE


def load_config(
    config: object = None, *, arguments: Mapping[str, Any] | None = None, start: Path | None = None
) -> Config:
    """Load the current config of this process.

    Args:
        config: The path of a TOML file, a mapping of the same shape, or ``None`` to search upwards.
        arguments: Settings given as arguments, which override everything; ``None`` values are ignored.
        start: The directory where the search starts; default: the current directory.

    Raises:
        ConfigError: If the config cannot be read, a key is unknown, or a value is invalid.
    """
    start = start or working_directory()
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
            message = f"{origin.place}: unknown setting {key!r}; {closest_of(key, fields)}{hint}"
            raise ConfigError(message, key=key, source=origin.place)
    in_table = frozenset(given)
    given.update(_from_environment(variables.PREFIX, fields, "a setting"))
    here = Origin("argument", start)
    given.update({key: (plain_tree(value), here) for key, value in (arguments or {}).items() if value is not None})
    if (original := variables.reproduced_run()) is not None:  # the new runs belong beside the original
        given["journal"] = (str(original.parent.parent), Origin(f"environment variable {variables.REPRODUCE}", start))
    values = {
        key: (converted_tables if key in ("alerts", "notify") else converted)(value, fields[key].type, where, key)
        for key, (value, where) in given.items()
    }
    if "journal" not in values:
        values["journal"] = absolute_path(Settings().journal, origin.base)
    origins = {name: given[name][1].place if name in given else DEFAULT for name in fields}
    try:
        settings = Settings(**values)
    except ValueError as error:
        key = re.split(r"\W", str(error), maxsplit=1)[0]  # messages of Settings begin with it
        raise ConfigError(f"{origins[key]}: {error}", key=key, source=origins[key]) from error
    return Config(settings, origins, tables, file, in_table, origin.base)


def _read(config: object, start: Path | None) -> tuple[dict[str, Any], Origin, Path | None]:
    """Read the given or found config; return its table, its origin and its file."""
    if isinstance(config, Mapping):
        return _of_call(plain_tree, config), Origin("argument config", start), None
    if config is None:
        named = os.environ.get("MULTITRACK_CONFIG")
        path = Path(absolute_path(named, start)) if named else _search(start)
        if path is None:
            return {}, Origin(FILE, start), None
    elif isinstance(config, (str, os.PathLike)):
        path = Path(absolute_path(_of_call(os.fspath, config), start))
    else:
        raise ConfigError(
            f"config must be the path of a TOML file or a mapping of the same shape, got {type(config).__name__}; "
            "for hyperparameters, did you mean params=?"
        )
    try:
        import tomllib  # noqa: PLC0415 - 2 ms, which a mapping does without; fails without a free file descriptor

        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"config file {path} does not exist", source=str(path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read config file {path}: {reason}", source=str(path)) from error
    if path.name == "pyproject.toml":
        table = table.get("tool", {}).get("multitrack", {})
    return table, Origin(str(path), path.parent), path


def _of_call(read: Callable[[Any], Any], config: object) -> Any:
    """Read the ``config=`` argument; objects in it are the caller's and may raise anything."""
    try:
        return read(config)
    except Exception as error:
        message = f"argument config: it cannot be read: {error_text(error)}"
        raise ConfigError(message, source="argument config") from error


def _search(start: Path | None) -> Path | None:
    for directory in () if start is None else (start, *start.parents):
        if (directory / FILE).is_file():
            return directory / FILE
        pyproject = directory / "pyproject.toml"
        if pyproject.is_file():
            try:
                import tomllib  # noqa: PLC0415 - see above

                if "multitrack" in tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {}):
                    return pyproject
            except (OSError, ValueError):
                continue  # another tool's file: not our error to report
    return None


def _from_environment(prefix: str, fields: Mapping[str, Any], what: str) -> dict[str, tuple[Any, Origin]]:
    """Read the values of ``fields`` from the environment.

    Raises:
        ConfigError: If a variable is nearly the name of a setting, or names an unknown option of the backend.
    """
    names = {prefix + name.upper(): name for name in fields}
    settings = prefix == variables.PREFIX  # else a backend's options, of which every variable is known
    known = {*names, *variables.OTHERS} if settings else set(names)
    found: dict[str, tuple[Any, Origin]] = {}
    for variable, text in os.environ.items():
        if variable in names:
            found[names[variable]] = (text, Origin(f"environment variable {variable}", working_directory()))
        elif variable.startswith(prefix) and variable not in variables.OTHERS and (
            not settings or variables.closest_to(variable, known)
        ):  # fmt: skip
            message = f"environment variable {variable} is not {what}; {closest_of(variable, known)}"
            raise ConfigError(message, key=variable, source=f"environment variable {variable}")
    return found
