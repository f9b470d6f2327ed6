"""Access to the SDK's helper process ``wandb-core``, where the SDK has no public API for it."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from multitrack_wandb.internals import lookup

if TYPE_CHECKING:
    import wandb

#: Prefix of the SDK's private settings. A release may lack any of them, and then uses its own behaviour.
PRIVATE_SETTINGS: Final = "x_"

_environment = threading.Lock()
_ASK_TIMEOUT: Final = 5.0
#: Seconds after which a request counts as unanswered.
_UNANSWERED: Final = 15.0


def known_settings(sdk: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the given settings that the installed release has."""
    known = sdk.Settings.model_fields
    return {key: value for key, value in given.items() if key in known}


def singleton() -> Any:
    """Return the SDK's process-wide object; None if it cannot be reached."""
    get = lookup.find("wandb.sdk.wandb_setup:singleton")
    return None if get is None else get()


def _interface(run: wandb.Run) -> Any:
    return lookup.reach(run, "_interface") or lookup.reach(run, "_backend.interface")


def publisher(run: wandb.Run) -> Callable[[bool], None]:
    """Return a function that sets whether the next records wait for the helper process; if unsupported, all wait."""
    interface = _interface(run)
    publish = lookup.reach(interface, "_publish")
    if publish is None or "nowait" not in inspect.signature(publish).parameters:
        return lambda _wait: None
    unawaited = functools.partial(publish, nowait=True)

    def choose(wait: bool) -> None:
        interface._publish = publish if wait else unawaited

    return choose


def write_logs(run: wandb.Run, text: str) -> bool:
    """Write text to the run's logs; return False if this release cannot.

    ``Run.write_logs`` is public since 0.27. In earlier releases the text is written as captured output.
    """
    write = getattr(run, "write_logs", None)
    if write is not None:
        write(text)
        return True
    publish = lookup.reach(_interface(run), "publish_output_raw")
    if publish is None:
        return False
    publish("stdout", text)
    return True


def can_tell(run: wandb.Run) -> bool:
    """Return True if the helper process can report its requests."""
    protocol = lookup.find("wandb.proto.wandb_internal_pb2:OperationStatsRequest")
    return protocol is not None and lookup.reach(_interface(run), "_deliver") is not None


def trouble(run: wandb.Run) -> str | None:
    """Return a request of the helper process that fails or is not answered; None if there is none, or if unknown."""
    deliver = lookup.reach(_interface(run), "_deliver")
    protocol = lookup.find("wandb.proto.wandb_internal_pb2")
    if deliver is None or protocol is None:
        return None
    try:
        ask = protocol.Record(request=protocol.Request(operations=protocol.OperationStatsRequest()))
        answer = deliver(ask).wait_or(timeout=_ASK_TIMEOUT)
        operations = answer.response.operations_response.operation_stats.operations
    except Exception:  # noqa: BLE001 - the next use of the run raises the error
        return None
    for operation in operations:
        if operation.error_status:
            return f"{operation.desc}: {operation.error_status}"
        if operation.runtime_seconds > _UNANSWERED:
            return f"{operation.desc}: not answered for {operation.runtime_seconds:.0f} s"
    return None


def forget(stream: str, timeout: float) -> bool:
    """Make the helper process forget a run that did not start. Otherwise its id would stay in use.

    Returns:
        True if the SDK has the required names.
    """
    connection = lookup.reach(singleton(), "_connection")
    make = lookup.reach(connection, "make_interface")
    if make is None:
        kind = lookup.find("wandb.sdk.interface.interface_sock:InterfaceSock")
        asyncer, client = lookup.reach(connection, "_asyncer"), lookup.reach(connection, "_client")
        if kind is None or asyncer is None or client is None:
            return connection is None and lookup.find("wandb.sdk.wandb_setup:singleton") is not None
        make = functools.partial(kind, asyncer, client)
    with contextlib.suppress(TimeoutError, ConnectionError):  # the error of the start is reported instead
        make(stream_id=stream).deliver_exit(1).wait_or(timeout=timeout)
        connection.inform_finish(run_id=stream)
    return True


def process() -> Any:
    """Return the helper process as a ``subprocess.Popen``; None if there is none, or it cannot be reached."""
    return lookup.reach(singleton(), "_connection._proc._process")


def graphql(settings: Any, query: str, variables: dict[str, Any], timeout: float) -> Any:
    """Query the server through the SDK, which handles proxies and every kind of credentials.

    Raises:
        LookupError: The release lacks the required class.
        Exception: The server did not answer, or rejected the query.
    """
    kind = lookup.find("wandb.apis.public.service_api:ServiceApi")
    if kind is None:
        raise LookupError("no ServiceApi")
    return kind(settings).execute_graphql(query, variables, timeout=timeout)


@contextlib.contextmanager
def at_server_of(run: wandb.Run) -> Iterator[None]:
    """Set ``WANDB_BASE_URL`` to the run's server while an artifact is logged.

    Releases before 0.24 look up the artifact at the environment's server instead of the run's.
    """
    url = run.settings.base_url
    if lookup.is_since(0, 24) or os.environ.get("WANDB_BASE_URL") == url:
        yield
        return
    with _environment:
        before = os.environ.get("WANDB_BASE_URL")
        os.environ["WANDB_BASE_URL"] = url
        try:
            yield
        finally:
            del os.environ["WANDB_BASE_URL"]
            if before is not None:
                os.environ["WANDB_BASE_URL"] = before


def ask_nobody(image: wandb.Image) -> None:
    """Let an image be logged without a question to a server about images that are in an artifact.

    Early releases ask the environment's server instead of the run's, and wait for its answer.
    """
    if lookup.find(lookup.ASKS_FOR_IMAGES) is not None:
        base: Any = super(type(image), image)
        vars(image)["bind_to_run"] = base.bind_to_run


def add_reference(artifact: wandb.Artifact, name: str, uri: str, digest: str, size: int | None) -> None:
    """Add a reference to an artifact without accessing its target.

    ``Artifact.add_reference`` imports a cloud's SDK and looks for its credentials, and a local file must exist.
    """
    kind = lookup.find("wandb.sdk.artifacts.artifact_manifest_entry:ArtifactManifestEntry")
    add = lookup.reach(artifact, "manifest.add_entry")
    if kind is not None and add is not None:
        add(kind(path=name, ref=uri, digest=digest, size=size))
        return
    # It raises if a local file or a cloud's SDK is missing. The artifact's metadata still has the reference.
    with contextlib.suppress(ValueError, OSError, ImportError, importlib.import_module("wandb").Error):
        for entry in artifact.add_reference(uri, name=name, checksum=False):
            # The SDK drops tabs, and the query of an S3 URI; by its own digest, two versions would be one artifact.
            entry.ref, entry.digest = uri, digest
