"""A run that another process writes, perhaps on another machine, as the parent of runs in this process."""

from __future__ import annotations

import os

from multitrack.delivery.report import DeliveryReport
from multitrack.recording import lifecycle
from multitrack.recording.run import Run
from multitrack.records import Status


class RunElsewhere(Run):
    """A placeholder for a run of another process: it records nothing, and its end waits for its children here.

    The ends of the children then need not wait, and one message says what is pending for all of them. The run itself
    ends only in the process that writes it. Made by :func:`multitrack.recording.start.join_run`.
    """

    def end(self, status: Status = "finished") -> DeliveryReport:
        """Wait for the children as long as records move, and log what is still pending.

        Args:
            status: Status of this placeholder; does not affect the run itself.
        """
        report = DeliveryReport({})
        if self._pid != os.getpid():
            return report
        if self.status == "running":
            self._journal.status = status
            lifecycle.forget(self)
            self._settle(patient=True)
        for run in self.family()[1:]:
            report += run._report()
        return report
