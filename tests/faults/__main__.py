"""Inflicts real faults and prints the results: `make faults`, or the command below.

PYTHONPATH=tests python -m faults [name ...] [--quick] [--seed N] [--out FILE]
"""

import argparse
import signal
import sys

from faults import FAULTS, inflict, save, table


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", metavar="name", help=f"faults to inflict (default: all): {', '.join(FAULTS)}")
    p.add_argument("--quick", action="store_true", help="only as many times as in `make test`")
    p.add_argument("--seed", type=int, default=0, help="seed of the random instants and positions")
    p.add_argument("--out", default="tests/faults/results/faults.json")
    args = p.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
    if unknown := set(args.names) - set(FAULTS):
        p.error(f"unknown: {', '.join(sorted(unknown))}; allowed: {', '.join(FAULTS)}")
    tallies = []
    for name in args.names or FAULTS:
        one = FAULTS[name]
        if args.quick and not one.quick:  # its requirements are not installed
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        tallies.append(inflict(one, one.quick if args.quick else one.times, args.seed))
        print(table(tallies[-1:]).split("\n", 1)[1], flush=True)
    print("\n" + table(tallies))
    save(tallies, args.out)
    return 0 if all(t.held for t in tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
