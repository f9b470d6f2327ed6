"""Modules with the calls of other trackers' SDKs, which record into a run of multitrack (docs/compat.md)."""
