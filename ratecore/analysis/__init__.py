"""Analyses of trained networks, as functions on activity and networks. Nothing here reads files, runs a grid or plots."""
