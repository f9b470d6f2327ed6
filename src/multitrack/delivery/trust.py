"""Decide which journal contents a courier trusts: backends to import, files to upload.

A journal may come from somebody else. No code that it names is executed, and no file that it names is uploaded, unless
the training process itself or the config of the user of ``multitrack sync`` names the same (docs/security.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from multitrack.config import Config
from multitrack.config.settings import role_of
from multitrack.errors import PluginError
from multitrack.journal.prepared import prepared
from multitrack.plugins import Backend


class Trust:
    """The permissions of a courier for a journal's contents; by default none.

    Args:
        loads: Import paths of backends that may be loaded.
        config: Loads the config of this process; called only if a journal asks for something that needs permission.
    """

    def __init__(self, loads: Collection[str] = (), config: Callable[[], Config] | None = None) -> None:
        self._loads = loads
        self._config = config

    def check(self, load: str) -> None:
        """Refuse an import path that only the journal names; names of installed backends are always allowed.

        Raises:
            PluginError: If the import path is not trusted.
        """
        if ":" not in load or load in self._loads:
            return
        if self._config is None or load not in self._config().settings.backends:
            raise PluginError(
                f"backend {load!r} was not imported, because only the journal names this code: name it in the "
                f"config's backends, or run `multitrack sync --trust {load}`"
            )

    def options(self, backend: Backend, kept: Mapping[str, Any]) -> tuple[msgspec.Struct, list[str]]:
        """Convert the options of a manifest, without local files to upload that the config here does not name.

        Returns:
            The options, and a sentence for each option with removed files.
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
        return msgspec.convert(values, prepared(kind)), sentences
