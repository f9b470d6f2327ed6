"""Pictures of runs for papers and CI: overlaid series or lists of many runs, and parallel coordinates."""

from multitrack.plot.figures import save
from multitrack.plot.overlays import overlay
from multitrack.plot.parallel_coordinates import parallel

__all__ = ["overlay", "parallel", "save"]
