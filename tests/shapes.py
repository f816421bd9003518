"""The check of shapes and types in signatures, see `SHAPES_CHECKED` in conftest.py."""

from beartype import BeartypeConf, beartype

# An int is valid where a float is annotated, as for mypy (PEP 484).
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
