"""Analyses of trained networks: functions on activity and networks. Nothing here reads files, runs a grid or plots."""
