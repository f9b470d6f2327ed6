"""Replace old records of long runs by figures of their values, so that the runs stay small and quick to read."""
