"""Pictures of runs for papers and CI: overlaid series or lists of many runs, parallel coordinates, and lineage."""

from multitrack.plot.figures import save
from multitrack.plot.layered_graph import lineage
from multitrack.plot.overlays import overlay
from multitrack.plot.parallel_coordinates import parallel

__all__ = ["lineage", "overlay", "parallel", "save"]
