"""Analyses of trained networks: functions on activity and networks that read no files, run no grid and plot nothing."""
