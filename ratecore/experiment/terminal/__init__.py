"""What a workflow shows while it runs: the grid as a person wants it, instead of Snakemake's messages.

`handler.py` is the logger plugin of Snakemake that `snakemake_logger_plugin_ratecore` names; it gets every message.
`board.py` knows what is planned, under way, done and failed, and `pace.py` how long the rest takes. `screen.py` shows
that on a terminal, and `lines.py` in a log. `shown.py` is where the rest of the workflow finds the display.
"""
