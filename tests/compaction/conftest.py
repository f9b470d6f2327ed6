from monitor_clock import clock

__all__ = ["clock"]
