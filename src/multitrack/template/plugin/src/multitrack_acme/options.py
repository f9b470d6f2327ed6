"""The ``[acme]`` table of the config."""

import msgspec

from multitrack.config import PathOption


class AcmeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the acme backend.

    Attributes:
        file: The file; a relative path starts at the config file.
    """

    file: PathOption = "acme.db"
