"""Select the environment variables of the training that a courier gets.

A tracker's SDK reads dozens of variables, and some of them create, name or change the run: those of a sweep, of a
launcher, of the training's own use of the tracker. So the courier gets only the variables that
every process needs (:data:`BASE`), and those that each backend's ``environment_variables`` hook names.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from multitrack.environment.interpreter import STARTED_BY

#: Variables that every courier needs; a trailing ``*`` matches any suffix.
BASE: Final = (
    # user and host
    "HOME", "USER", "LOGNAME", "USERNAME", "HOSTNAME", "PATH", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ",
    # directories for temporary files, caches and settings
    "TMPDIR", "TEMP", "TMP", "XDG_*",
    # the network: proxies, certificates, netrc, Kerberos
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "OPENSSL_CONF", "OPENSSL_MODULES",
    "NETRC", "KRB5*",
    # the interpreter and its libraries; not PYTHONWARNINGS and the like, which are the training's
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME",
    "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "SYSTEMROOT",
    # the user's global preferences, and our own variables
    "DO_NOT_TRACK", "MULTITRACK_*",
)  # fmt: skip


def allowed(names: Iterable[str], variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Select variables by name.

    Args:
        names: Names of variables; a trailing ``*`` matches any suffix.
        variables: Variables to select from; default: this process's environment.
    """
    exact = frozenset(names)
    prefixes = tuple(name[:-1] for name in exact if name.endswith("*"))
    return {name: value for name, value in variables.items() if name in exact or name.startswith(prefixes)}


@contextlib.contextmanager
def nothing_else(names: Iterable[str]) -> Iterator[None]:
    """Make this process a courier within the block: remove all other variables, mark it as one, and ignore warnings.

    Args:
        names: Names of variables to keep; a trailing ``*`` matches any suffix.
    """
    before = dict(os.environ)
    for name in before.keys() - allowed(names).keys():
        del os.environ[name]
    os.environ[STARTED_BY] = str(os.getpid())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PYTHONWARNINGS=error is meant for the user's own programs
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
