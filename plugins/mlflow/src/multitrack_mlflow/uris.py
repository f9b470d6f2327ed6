"""Tracking URIs: validate them, and convert those of SQLite to file paths and to the installed SQLAlchemy's form.

The URI in an option is percent-encoded after RFC 3986, so that a directory called ``q?m=1`` is not read as a query.
SQLAlchemy decodes the path from 2.1 on. Earlier releases take escapes literally.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from multitrack.security.secrets import without_credentials

_SQLITE: Final = re.compile(r"(?P<driver>sqlite(?:\+\w+)?):///(?P<path>/[^?]+)(?:\?(?P<query>.*))?")
_NO_UTF8: Final = re.compile("[\ud800-\udfff]")
#: First bytes of every SQLite file that is not empty (sqlite.org/fileformat.html).
_MAGIC: Final = b"SQLite format 3\0"
#: Module and distribution of a driver, by SQLAlchemy's name of the driver, or of a database with it as default.
_DRIVERS: Final = {
    "postgresql": ("psycopg2", "psycopg2-binary"), "mysql": ("MySQLdb", "mysqlclient"), "mssql": ("pyodbc", "pyodbc"),
    "pymysql": ("pymysql", "pymysql"), "psycopg2": ("psycopg2", "psycopg2-binary"), "psycopg": ("psycopg", "psycopg"),
    "pyodbc": ("pyodbc", "pyodbc"), "mysqldb": ("MySQLdb", "mysqlclient"), "pymssql": ("pymssql", "pymssql"),
}  # fmt: skip
#: Schemes of MLflow's stores: databases by SQLAlchemy's names, servers, Databricks.
_SQL: Final = ("sqlite", "postgresql", "mysql", "mssql")
SCHEMES: Final = (*_SQL, "http", "https", "databricks")


def is_sql(uri: str) -> bool:
    """Return True if the store is a database, accessed without an MLflow server."""
    return uri.partition(":")[0].partition("+")[0] in _SQL


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a SQLite URI; ``None`` for any other store."""
    match = _SQLITE.fullmatch(uri)
    return Path(unquote(match["path"], errors="surrogateescape")) if match else None


def sqlite_uri(path: Path) -> str:
    """Return the URI of a SQLite file, percent-encoded as in an option."""
    return f"sqlite:///{quote(os.fsencode(path))}"


def native_uri(uri: str) -> str:
    """Return the URI for MLflow's client, which SQLAlchemy reads as the same file. May import SQLAlchemy."""
    match, path = _SQLITE.fullmatch(uri), sqlite_path(uri)
    if match is None or path is None or re.fullmatch(r"[\w./ -]+", str(path), re.ASCII):
        return uri
    from sqlalchemy.engine import URL, make_url  # noqa: PLC0415 - comes with MLflow, in the courier

    # MLflow creates directories for the path after "sqlite:///", undecoded; with a driver in the scheme it does not.
    driver = match["driver"] if "+" in match["driver"] else "sqlite+pysqlite"
    query = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    if not _NO_UTF8.search(str(path)):
        text = URL.create(driver, database=str(path), query=query).render_as_string(hide_password=False)
        if make_url(text).database == str(path):
            return text
    # SQLite itself decodes its own URI filenames.
    file = f"file:{quote(os.fsencode(path))}"
    return URL.create(driver, database=file, query={**query, "uri": "true"}).render_as_string()


def check(uri: str) -> None:
    """Reject a store that no retry could open. Imports nothing.

    Raises:
        ValueError: The URI is invalid, or its file or driver is unusable.
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
    if scheme == "multitrack":
        raise ValueError(
            f"tracking_uri = {shown!r} is a journal of multitrack, which would get its own runs back; "
            "name a store of MLflow, such as sqlite:///mlflow.db"
        )
    if scheme.lower() in ("http", "https"):
        try:
            parts = urlsplit(uri)
            trouble = "" if parts.hostname and (parts.port is None or parts.port) else "host or port is missing"
        except ValueError as error:
            trouble = str(error)
        if trouble:
            raise ValueError(f"tracking_uri = {shown!r} is malformed: {trouble}; write it as http://host:5000")
    elif scheme.lower() in SCHEMES and begin != begin.lower():
        raise ValueError(f"tracking_uri = {shown!r}: write {begin!r} in lower case, {begin.lower()!r}")
    elif scheme not in SCHEMES:
        import difflib  # noqa: PLC0415 - for a message

        close = difflib.get_close_matches(scheme, SCHEMES, n=1, cutoff=0.75)
        if close or begin not in _of_plugins():
            hint = f"did you mean {close[0]!r}?" if close else f"it supports {', '.join(SCHEMES)}"
            raise ValueError(f"tracking_uri = {shown!r}: MLflow does not know {scheme!r}; {hint}")


def _of_plugins() -> set[str]:
    """Return the schemes of stores that plugins of MLflow provide, such as azureml."""
    from importlib import metadata  # noqa: PLC0415 - slow, and rarely needed

    return {point.name for point in metadata.entry_points(group="mlflow.tracking_store")}


def _check_plain(uri: str, path: Path, shown: str) -> None:
    """Reject SQLite's own ``file:`` URIs, of which ``absolute_uri`` has made an invalid path."""
    query = dict(parse_qsl(uri.partition("?")[2], keep_blank_values=True))
    if query.get("uri", "false").lower() not in ("false", "0", "no", "off", "n", "f", ""):
        plain = path.with_name(path.name.removeprefix("file:"))
        raise ValueError(
            f"tracking_uri = {shown!r} is one of SQLite's own URIs (uri=true), which are not supported: use a plain "
            f"path, sqlite:///{plain}"
        )


def _check_file(path: Path, shown: str) -> None:
    existing = next((above for above in (path, *path.parents) if os.path.lexists(above)), path)
    if existing != path and not existing.is_dir():
        raise ValueError(f"tracking_uri = {shown!r}: {existing} is not a directory")
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
            raise ValueError(f"tracking_uri = {shown!r}: {path} is not a SQLite database")
