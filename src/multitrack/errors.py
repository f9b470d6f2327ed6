"""Every exception that multitrack raises.

::

    MultitrackError
    ├── ConfigError (ValueError)           a config file, variable or argument with an invalid value
    │   ├── UnknownBackendError            a backend that is neither installed nor known
    │   └── RuleError                      an invalid rule of an alert
    ├── BackendNotInstalledError (ImportError)
    │                                      a known backend whose distribution or SDK is missing
    ├── QueryError (ValueError)            an invalid column name or filter
    ├── PluginError (TypeError)            an invalid plugin: wrong shape, wrong hooks
    ├── RunError
    │   ├── RunClosedError (ValueError)    a record after the end
    │   ├── RunInUseError                  another live process writes this run
    │   └── ParamChangedError (ValueError) a param logged again with another value
    ├── MetricKindError (ValueError)       one name used both as a series and as a list metric
    ├── ModelError                         no model, version or alias matches
    ├── DriftError (ValueError)            two tables of inputs that cannot be compared
    ├── JournalError (OSError)             the journal's directory cannot be written or read
    ├── ExportError                        a data set cannot be written or read
    ├── ArchiveError                       an archive of runs cannot be written or read
    ├── SourceError                        the runs of a tracker or another tool cannot be read
    └── BackendError                       base class of errors that backends raise from their hooks
        ├── RetryableError                 the same call may succeed later
        ├── DeniedError                    the tracker denies access: the lane stops
        └── PermanentError                 the call can never succeed: these records are set aside

A wrong type raises a plain ``TypeError`` and an invalid value a plain ``ValueError``, at the call.
A tracker's error is never raised into training code.
"""

__all__ = [
    "ArchiveError",
    "BackendError",
    "BackendNotInstalledError",
    "ConfigError",
    "DeniedError",
    "DriftError",
    "ExportError",
    "JournalError",
    "MetricKindError",
    "ModelError",
    "MultitrackError",
    "ParamChangedError",
    "PermanentError",
    "PluginError",
    "QueryError",
    "RetryableError",
    "RuleError",
    "RunClosedError",
    "RunError",
    "RunInUseError",
    "SourceError",
    "UnknownBackendError",
]


class MultitrackError(Exception):
    """Base class of all exceptions of multitrack."""


class ConfigError(MultitrackError, ValueError):
    """A value of the config is invalid; the message names the place, the key and the expected value.

    Attributes:
        key: The setting (``interval``) or backend option (``mlflow.tracking_uri``) concerned, if any.
        source: The origin of the value: a file's path, ``environment variable …``, ``argument`` or
            ``argument config``.
    """

    def __init__(self, message: str, *, key: str | None = None, source: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.source = source


class UnknownBackendError(ConfigError):
    """No installed plugin has this name, and multitrack knows no plugin that provides it."""


class RuleError(ConfigError):
    """A rule of an alert, or its filter, is invalid; the message shows the place in its text."""


class BackendNotInstalledError(MultitrackError, ImportError):
    """The backend is known, but its distribution or its tracker's SDK is not installed."""


class QueryError(MultitrackError, ValueError):
    """A column name or a filter is invalid; the message shows the place in the text.

    Attributes:
        position: The 0-based character offset of the error in a filter's text.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class PluginError(MultitrackError, TypeError):
    """An object given as a plugin does not implement the hooks as specified."""


class RunError(MultitrackError):
    """A problem with the run itself."""


class RunClosedError(RunError, ValueError):
    """The run has ended; it takes no more records."""


class RunInUseError(RunError):
    """Another live process writes this run."""


class ParamChangedError(RunError, ValueError):
    """A param was logged again with another value; nothing of the call was recorded.

    Attributes:
        param: The flattened name of the param.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class ModelError(MultitrackError):
    """No model, version or alias matches."""


class MetricKindError(MultitrackError, ValueError):
    """The name is already used for the other kind of metric (series or list) in this run."""


class DriftError(MultitrackError, ValueError):
    """Inputs cannot be compared: they are no table, have other columns, or are not the recorded ones any more."""


class JournalError(MultitrackError, OSError):
    """The journal's directory cannot be created, written or read."""

    def __str__(self) -> str:
        return self.strerror or super().__str__()  # without the errno, which adds nothing to the text


class ExportError(MultitrackError):
    """A data set cannot be written or read; the message names the place and the reason."""


class ArchiveError(MultitrackError):
    """An archive of runs cannot be written or read; the message names the place and the reason."""


class SourceError(MultitrackError):
    """The runs of a tracker or another tool cannot be read; the message names the place and the reason."""


class BackendError(MultitrackError):
    """Base class of errors raised by a backend's hooks; never reaches training code."""


class RetryableError(BackendError):
    """The tracker may accept the same records later: the lane waits and retries."""

    def __init__(self, message: str, *, after: float | None = None, reopen: bool = False) -> None:
        """Store the message and the retry conditions.

        Args:
            message: The tracker's answer.
            after: Seconds that the tracker asked to wait before a retry (an HTTP ``Retry-After``).
            reopen: True if the backend lost its open run. The lane then calls ``open_run`` again and continues from
                the position that it returns.
        """
        super().__init__(message)
        self.after = after
        self.reopen = reopen


class DeniedError(BackendError):
    """The tracker denies access, or needs a manual fix first, such as permissions on its store.

    The lane stops, and everything stays pending until ``multitrack sync``.
    """


class PermanentError(BackendError):
    """The tracker will never accept these records: they are set aside with this reason."""
