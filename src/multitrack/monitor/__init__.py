"""A metric of production over time: windows of its values by deployment, and the list of executions.

:func:`monitor` is ``multitrack monitor`` in Python.
"""

from multitrack.monitor.executions import Execution, executions
from multitrack.monitor.monitored import Monitored, monitor
from multitrack.monitor.windows import Window

__all__ = ["Execution", "Monitored", "Window", "executions", "monitor"]
