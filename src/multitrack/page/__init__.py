"""Runs as one HTML page: a table, graphs, parallel coordinates, and each run on a page of its own.

:func:`write_page` writes it as a file that needs no network; ``multitrack report --watch`` serves it.
"""

from multitrack.page.render import write_page

__all__ = ["write_page"]
