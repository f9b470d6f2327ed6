"""Tracking URIs of SQLite: the file that one names, and the same URI as SQLAlchemy's release here reads it.

An option's URI is percent-encoded as RFC 3986 has it, so that a directory called ``q?m=1`` is no query. SQLAlchemy
decodes the path from 2.1 on; before, it takes an escape for the letters that it is written with.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from multitrack.security.secrets import without_credentials

_SQLITE: Final = re.compile(r"(?P<driver>sqlite(?:\+\w+)?):///(?P<path>/[^?]+)(?:\?(?P<query>.*))?")
_NO_UTF8: Final = re.compile("[\ud800-\udfff]")
#: What begins every SQLite file that is not empty (sqlite.org/fileformat.html).
_MAGIC: Final = b"SQLite format 3\0"
#: The module that SQLAlchemy's default driver of a database is, and the distribution that has it.
_DRIVERS: Final = {
    "postgresql": ("psycopg2", "psycopg2-binary"), "mysql": ("MySQLdb", "mysqlclient"), "mssql": ("pyodbc", "pyodbc"),
    "pymysql": ("pymysql", "pymysql"), "psycopg2": ("psycopg2", "psycopg2-binary"), "psycopg": ("psycopg", "psycopg"),
    "pyodbc": ("pyodbc", "pyodbc"), "mysqldb": ("MySQLdb", "mysqlclient"), "pymssql": ("pymssql", "pymssql"),
}  # fmt: skip
#: Where MLflow keeps runs: databases by SQLAlchemy's names, servers, Databricks.
_SQL: Final = ("sqlite", "postgresql", "mysql", "mssql")
SCHEMES: Final = (*_SQL, "http", "https", "databricks")


def is_sql(uri: str) -> bool:
    """Whether the store is a database, which is reached without a server of MLflow's."""
    return uri.partition(":")[0].partition("+")[0] in _SQL


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite URI, ``None`` for every other store."""
    match = _SQLITE.fullmatch(uri)
    return Path(unquote(match["path"], errors="surrogateescape")) if match else None


def native_uri(uri: str) -> str:
    """The URI for MLflow's client: one that SQLAlchemy reads as the same file; imports it where it is needed."""
    match, path = _SQLITE.fullmatch(uri), sqlite_path(uri)
    if match is None or path is None or re.fullmatch(r"[\w./ -]+", str(path), re.ASCII):
        return uri
    from sqlalchemy.engine import URL, make_url  # noqa: PLC0415 - comes with MLflow, in the courier

    # MLflow makes the directories of what it reads as a path in "sqlite:///"; with a driver's name, it leaves that.
    driver = match["driver"] if "+" in match["driver"] else "sqlite+pysqlite"
    query = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    if not _NO_UTF8.search(str(path)):
        text = URL.create(driver, database=str(path), query=query).render_as_string(hide_password=False)
        if make_url(text).database == str(path):
            return text
    # SQLite's own URI filenames are decoded by SQLite itself.
    file = f"file:{quote(os.fsencode(path))}"
    return URL.create(driver, database=file, query={**query, "uri": "true"}).render_as_string()


def check(uri: str) -> None:
    """Refuse a store that cannot be opened, however often it is tried; imports nothing.

    Raises:
        ValueError: Says what is in the way.
    """
    shown = without_credentials(uri)
    _check_scheme(uri, shown)
    if uri.startswith("sqlite") and (":memory:" in uri or uri.partition("://")[2] in ("", "/")):
        raise ValueError(
            f"tracking_uri = {shown!r} is a store in memory, gone with the process that delivers; name a file"
        )
    path = sqlite_path(uri)
    if path is not None:
        _check_plain(uri, path, shown)
        _check_file(path, shown)
        return
    scheme, _, driver = uri.partition(":")[0].partition("+")
    module, distribution = _DRIVERS.get(driver or scheme, ("", ""))
    if module and importlib.util.find_spec(module) is None:
        raise ValueError(f"tracking_uri = {shown!r} needs the driver {module}: pip install {distribution}")


def _check_scheme(uri: str, shown: str) -> None:
    begin = uri.partition(":")[0]
    scheme = begin.partition("+")[0]
    if scheme.lower() in ("http", "https"):
        try:
            parts = urlsplit(uri)
            trouble = "" if parts.hostname and (parts.port is None or parts.port) else "it names no host and port"
        except ValueError as error:
            trouble = str(error)
        if trouble:
            raise ValueError(f"tracking_uri = {shown!r} is malformed: {trouble}; write it as http://host:5000")
    elif scheme.lower() in SCHEMES and begin != begin.lower():
        raise ValueError(f"tracking_uri = {shown!r}: write {begin!r} in small letters, {begin.lower()!r}")
    elif scheme not in SCHEMES:
        close = difflib.get_close_matches(scheme, SCHEMES, n=1, cutoff=0.75)
        if close or begin not in _of_plugins():
            hint = f"did you mean {close[0]!r}?" if close else f"it keeps runs in {', '.join(SCHEMES)}"
            raise ValueError(f"tracking_uri = {shown!r}: MLflow does not know {scheme!r}; {hint}")


def _of_plugins() -> set[str]:
    """The schemes of stores that plugins of MLflow bring, such as azureml."""
    from importlib import metadata  # noqa: PLC0415 - takes a while, and is rarely asked

    return {point.name for point in metadata.entry_points(group="mlflow.tracking_store")}


def _check_plain(uri: str, path: Path, shown: str) -> None:
    """Refuse SQLite's own ``file:`` URIs, as ``absolute_uri`` has made a path of them that is none."""
    query = dict(parse_qsl(uri.partition("?")[2], keep_blank_values=True))
    if query.get("uri", "false").lower() not in ("false", "0", "no", "off", "n", "f", ""):
        plain = path.with_name(path.name.removeprefix("file:"))
        raise ValueError(
            f"tracking_uri = {shown!r} is one of SQLite's own URIs (uri=true), which are not taken: name the file by a "
            f"plain path, sqlite:///{plain}"
        )


def _check_file(path: Path, shown: str) -> None:
    existing = next((above for above in (path, *path.parents) if os.path.lexists(above)), path)
    if existing != path and not existing.is_dir():
        raise ValueError(f"tracking_uri = {shown!r}: {existing} is no directory")
    if existing == path and path.is_dir():
        raise ValueError(
            f"tracking_uri = {shown!r}: {path} is a directory; name a file in it, such as {path / 'mlflow.db'}"
        )
    if not os.access(existing, os.R_OK | os.W_OK | (0 if existing == path else os.X_OK)):
        raise ValueError(f"tracking_uri = {shown!r}: {existing} cannot be read and written")
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC))
        if begins and begins != _MAGIC:
            raise ValueError(f"tracking_uri = {shown!r}: {path} is no SQLite database")
