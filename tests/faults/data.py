"""Faults of data: damaged and hostile files, configurations that cannot be."""
