"""Which of the training's environment variables a courier gets.

A tracker's SDK reads dozens of variables, and some of them create, name or change the run: those of a sweep, of a
launcher, of the training's own use of the tracker. So the courier gets a list of what it needs, and no more: what
every process needs (:data:`BASE`), and what each backend's ``environment_variables`` hook names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

#: What every courier needs; a ``*`` at the end stands for any ending.
BASE: Final = (
    # who and where
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
    # wishes of the user's that hold everywhere, and our own
    "DO_NOT_TRACK", "MULTITRACK_*",
)  # fmt: skip


def allowed(names: Iterable[str], variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that are set and named.

    Args:
        names: Names of variables, some with a ``*`` at their end.
        variables: Where they are looked up; default: this process's environment.
    """
    exact = frozenset(names)
    prefixes = tuple(name[:-1] for name in exact if name.endswith("*"))
    given = os.environ if variables is None else variables
    return {name: value for name, value in given.items() if name in exact or name.startswith(prefixes)}


def remove_others(names: Iterable[str], variables: MutableMapping[str, str] | None = None) -> None:
    """Remove the variables that are not named, for a process that becomes a courier.

    Args:
        names: Names of variables, some with a ``*`` at their end.
        variables: Where they are removed; default: this process's environment.
    """
    given = os.environ if variables is None else variables
    for name in given.keys() - allowed(names, given).keys():
        del given[name]
