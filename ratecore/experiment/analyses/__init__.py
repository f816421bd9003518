"""The analyses of stage `analyse`: `table.py` says what each is, and each has a file here.

A file adapts a network and the analysis's settings to functions of `ratecore.analysis`, and its results to figures.
"""
