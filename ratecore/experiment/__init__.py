"""Grids of networks: runs, their stages, and what sums them up."""
