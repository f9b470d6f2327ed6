from monitor_clock import clock, zone

__all__ = ["clock", "zone"]
