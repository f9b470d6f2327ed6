"""The exceptions of Neptune's 1.x client by name, for code that catches them; most are never raised here."""

# ruff: noqa: N818 - the client's names, which programs import

from __future__ import annotations

from multitrack.errors import MultitrackError


class NeptuneException(MultitrackError):
    """Base class of the exceptions of this module."""


class MetadataInconsistency(NeptuneException):
    """A field is used as another type."""


class MissingFieldException(NeptuneException, AttributeError, KeyError):
    """A field that is fetched does not exist."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class TypeDoesNotSupportAttributeException(NeptuneException, AttributeError):
    """A field of this type has no such method."""


class InactiveContainerException(NeptuneException):
    """A call after the end."""


class InactiveRunException(InactiveContainerException):
    """A call after the end of the run."""


class MetadataContainerNotFound(NeptuneException):
    """Nothing has this id."""


class RunNotFound(MetadataContainerNotFound):
    """No run of the journal has this id."""


class ProjectNotFound(MetadataContainerNotFound):
    """Never raised: a project is a name."""


class NeedExistingRunForReadOnlyMode(NeptuneException):
    """``mode="read-only"`` without ``with_id``."""


class NeptuneRunResumeAndCustomIdCollision(NeptuneException):
    """Both ``with_id`` and ``custom_run_id`` were given."""


class NeptuneWrongInitParametersException(NeptuneException):
    """Never raised."""


class NeptuneMissingApiTokenException(NeptuneException):
    """Never raised: nothing needs a token."""


class NeptuneInvalidApiTokenException(NeptuneException):
    """Never raised."""


class NeptuneMissingProjectNameException(NeptuneException):
    """Never raised: a project has a default."""


class NeptuneConnectionLostException(NeptuneException):
    """Never raised: nothing is sent."""


class NeptuneSynchronizationAlreadyStoppedException(NeptuneException):
    """Never raised."""


class NeptuneOfflineModeException(NeptuneException):
    """Never raised: the journal is read in each mode."""


class NeptuneOfflineModeFetchException(NeptuneOfflineModeException):
    """Never raised."""


class NeptuneLimitExceedException(NeptuneException):
    """Never raised: there are no limits."""


class NeptuneFieldCountLimitExceedException(NeptuneException):
    """Never raised."""


class NeptuneStorageLimitException(NeptuneException):
    """Never raised."""


class NeptuneUnsupportedArtifactFunctionalityException(NeptuneException):
    """Never raised."""


class NeptuneApiException(NeptuneException):
    """Base class of the errors of a server; never raised."""


class ClientHttpError(NeptuneApiException):
    """Never raised."""


class InternalServerError(NeptuneApiException):
    """Never raised."""


class Unauthorized(NeptuneApiException):
    """Never raised."""


class Forbidden(NeptuneApiException):
    """Never raised."""


class FileUploadError(NeptuneException):
    """Never raised: a file that cannot be read is counted as a mistake of the run."""


class FileNotFound(NeptuneException):
    """A file that is downloaded is gone."""


class OperationNotSupported(NeptuneException):
    """Never raised."""
