"""multitrack's backend for goodseed: one SQLite file per run, which ``goodseed serve`` shows.

The SDK is imported when the first run is opened, never by importing this module.
"""

from multitrack_goodseed.backend import GoodseedBackend
from multitrack_goodseed.names import name_of
from multitrack_goodseed.options import GoodseedOptions

__all__ = ["GoodseedBackend", "GoodseedOptions", "backend", "name_of"]

backend = GoodseedBackend()
