"""Files, processes, devices, compiled loops and random streams: no science."""
