"""Writes ring.csv: units on a ring that reach their neighbours only. python ring.py [NEIGHBOURS]."""

import sys

import numpy as np

N, neighbours = 100, int(sys.argv[1]) if len(sys.argv) > 1 else 15
distance = np.abs(np.arange(N)[:, None] - np.arange(N))
allowed = np.minimum(distance, N - distance) <= neighbours  # a row for each receiving, a column for each sending unit
np.savetxt("ring.csv", allowed, fmt="%d", delimiter=",")
