"""Every exception that multitrack raises.

::

    MultitrackError
    ├── ConfigError (ValueError)           a config file, variable or argument with an invalid value
    │   └── UnknownBackendError            a backend that is neither installed nor known
    ├── BackendNotInstalledError (ImportError)
    │                                      a known backend whose distribution or SDK is missing
    ├── QueryError (ValueError)            a column or filter that says nothing
    ├── PluginError (TypeError)            a plugin that is not one: wrong shape, wrong hooks
    ├── RunError
    │   ├── RunClosedError (ValueError)    a record after the end
    │   ├── RunInUseError                  another live process writes this run
    │   └── ParamChangedError (ValueError) a param stated again with another value
    ├── MetricKindError (ValueError)       one name used both as a series and as a list metric
    ├── JournalError (OSError)             the journal's directory cannot be written or read
    └── BackendError                       what a backend raises from its hooks
        ├── RetryableError                 the same call may succeed later
        ├── DeniedError                    the tracker refuses us altogether: the lane stops
        └── PermanentError                 it never will: these records are set aside

A wrong type is a plain ``TypeError`` and an impossible value a plain ``ValueError``, raised at the call.
Nothing here is ever raised into training because of a tracker.
"""

__all__ = [
    "BackendError",
    "BackendNotInstalledError",
    "ConfigError",
    "DeniedError",
    "JournalError",
    "MetricKindError",
    "MultitrackError",
    "ParamChangedError",
    "PermanentError",
    "PluginError",
    "QueryError",
    "RetryableError",
    "RunClosedError",
    "RunError",
    "RunInUseError",
    "UnknownBackendError",
]


class MultitrackError(Exception):
    """The root of the tree above."""


class ConfigError(MultitrackError, ValueError):
    """A value of the config is invalid; the message names the place, the key and the expected value.

    Attributes:
        key: The setting (``interval``) or the backend's option (``mlflow.tracking_uri``), where it is about one.
        source: Where the value came from: a file's path, ``environment variable …``, ``argument`` or
            ``argument config``.
    """

    def __init__(self, message: str, *, key: str | None = None, source: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.source = source


class UnknownBackendError(ConfigError):
    """No installed plugin has this name, and multitrack knows none that would."""


class BackendNotInstalledError(MultitrackError, ImportError):
    """The backend is known, but its distribution or its tracker's SDK is not installed."""


class QueryError(MultitrackError, ValueError):
    """A column's name or a filter cannot be understood; the message shows the place in the text.

    Attributes:
        position: Of a filter: where in its text the trouble begins, in characters.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class PluginError(MultitrackError, TypeError):
    """An object offered as a plugin does not implement the hooks as they are specified."""


class RunError(MultitrackError):
    """Something about the run itself."""


class RunClosedError(RunError, ValueError):
    """The run has ended; it takes no more records."""


class RunInUseError(RunError):
    """Another live process writes this run."""


class ParamChangedError(RunError, ValueError):
    """A param was stated again with another value; nothing of the call was recorded.

    Attributes:
        param: Its name, flattened.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class MetricKindError(MultitrackError, ValueError):
    """The name is already used for the other kind of series in this run."""


class JournalError(MultitrackError, OSError):
    """The journal's directory cannot be created, written or read."""

    def __str__(self) -> str:
        return self.strerror or super().__str__()  # without the number, which says nothing that the text does not


class BackendError(MultitrackError):
    """Raised by a backend's hooks; never reaches training code."""


class RetryableError(BackendError):
    """The tracker may take the same records later: the lane waits and hands them over again."""

    def __init__(self, message: str, *, after: float | None = None, reopen: bool = False) -> None:
        """Say what went wrong and, where the tracker said so, when to come back.

        Args:
            message: What the tracker answered.
            after: Seconds the tracker asked to be left alone (an HTTP ``Retry-After``).
            reopen: What the backend had open is lost: the lane calls ``open_run`` again, and goes on from the
                position that it gives.
        """
        super().__init__(message)
        self.after = after
        self.reopen = reopen


class DeniedError(BackendError):
    """The tracker refuses our credentials, or cannot be used before somebody mends it, such as a store without rights.

    The lane stops, and everything stays pending until ``multitrack sync``.
    """


class PermanentError(BackendError):
    """The tracker will never take these records: they are set aside with this reason."""
