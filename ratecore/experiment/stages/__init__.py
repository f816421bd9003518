"""The stages of a run, as jobs do them for a block of seeds: `table.py` says what each is, and each has a file here.

Every run of a block succeeds or fails alone. What is complete is left as it is.
"""
