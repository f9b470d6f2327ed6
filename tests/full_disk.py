"""A disk without space, as a process meets it."""

import contextlib
import resource
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def no_space_beyond(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: what fits is written, the rest is refused."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)
