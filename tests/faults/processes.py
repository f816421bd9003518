"""Faults of processes: training jobs, Snakemake and the disk under them."""
