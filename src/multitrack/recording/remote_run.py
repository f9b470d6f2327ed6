"""A run that another process writes, perhaps on another machine: known here by its id, as the parent of runs here."""

from __future__ import annotations

import os

from multitrack.delivery.report import DeliveryReport
from multitrack.recording import lifecycle
from multitrack.recording.run import Run
from multitrack.records import Status


class RunElsewhere(Run):
    """The stand-in of such a run: it records nothing, and its end waits for its children of this process.

    So the ends of the children need not wait, and what is pending is said once, for all of them. The run itself
    goes on, or ends, where it is written. Made by :func:`multitrack.recording.start.join_run`.
    """

    def end(self, status: Status = "finished") -> DeliveryReport:
        """Wait for the children as long as records move, and say what is pending.

        Args:
            status: Of no consequence for the run itself.
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
