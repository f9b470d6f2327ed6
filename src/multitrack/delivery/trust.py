"""Which journal contents a courier trusts: backends to import, files to upload.

A journal may have been sent by somebody else. Nothing in it is executed, and no file is sent away, unless the training
process itself, or the config of whoever runs ``multitrack sync``, says the same (docs/security.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from multitrack.config import Config
from multitrack.config.settings import role_of
from multitrack.errors import PluginError
from multitrack.plugins import Backend


class Trust:
    """What a courier may do on behalf of a journal; by default nothing.

    Args:
        loads: Import paths of backends that may be loaded.
        config: Gives the config that holds here; asked only where a journal wants something of it.
    """

    def __init__(self, loads: Collection[str] = (), config: Callable[[], Config] | None = None) -> None:
        self._loads = loads
        self._config = config

    def check(self, load: str) -> None:
        """Refuse an import path that only the journal names; names of installed distributions are always fine.

        Raises:
            PluginError: It is one.
        """
        if ":" not in load or load in self._loads:
            return
        if self._config is None or load not in self._config().settings.backends:
            raise PluginError(
                f"backend {load!r} was not imported, because only the journal names this code: name it in the "
                f"config's backends, or run `multitrack sync --trust {load}`"
            )

    def options(self, backend: Backend, kept: Mapping[str, Any]) -> tuple[msgspec.Struct, list[str]]:
        """The options as a manifest has them, but for local files, which only the config here may have sent.

        Returns:
            The options, and a sentence for each that was cut down.
        """
        kind = backend.options_type()
        values, sentences = dict(kept), []
        for field in msgspec.structs.fields(kind):
            wanted = values.get(field.encode_name)
            if wanted and role_of(field.type) == "files":
                here = getattr(self._config().options(backend)[0], field.name) if self._config is not None else []
                values[field.encode_name] = [item for item in wanted if item in here]
                refused = [item for item in wanted if item not in here]
                if refused:
                    sentences.append(
                        f"{field.encode_name} = {refused} was ignored: the journal asks for it, but the config here "
                        "does not"
                    )
        return msgspec.convert(values, kind), sentences
