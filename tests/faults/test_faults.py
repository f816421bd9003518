"""The quick part of `make faults`: every kind of fault a few times; those of servers are in test_servers.py."""

import pytest

from faults import FAULTS, Fault, inflict, table


def assert_holds(name):
    tally = inflict(FAULTS[name], FAULTS[name].quick)
    assert tally.held, table([tally])


@pytest.mark.parametrize("name", [name for name, one in FAULTS.items() if one.quick and not one.of_servers])
def test_it_holds(name):
    assert_holds(name)


def test_what_does_not_hold_is_counted():
    def sometimes(times, rng, folder):
        yield None
        yield "two networks"
        raise OSError("gone")

    tally = inflict(Fault("x", 3, 3, "-", sometimes), 3)
    assert not tally.held and tally.done == 2 and len(tally.broken) == 2
    assert "number 2: two networks" in table([tally]) and "OSError: gone" in table([tally])
    assert not inflict(Fault("x", 3, 3, "-", lambda *a: iter([None])), 3).held
