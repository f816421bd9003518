"""Panels: figures of an experiment in the terms of a paper, from its table and its networks (docs/panels.md)."""
