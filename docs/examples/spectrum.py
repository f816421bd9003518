"""How training changes the eigenvalues of the weights: `python spectrum.py results/demo [figure.png]`.

Needs `analyses: [spectrum]` in the configuration.
"""

import sys

import numpy as np
import pandas as pd

from ratecore.figures import eigenvalues

results = sys.argv[1]
networks = pd.read_csv(f"{results}/summary.csv")
found = [np.load(f"{results}/{folder}/analysis.npz") for folder in networks["folder"]]

for row, arrays in zip(networks.itertuples(), found, strict=True):
    before, after = (np.abs(arrays[f"spectrum/{name}"]).max() for name in ("before", "after"))
    print(f"{row.task} seed {row.seed}: spectral radius {before:.2f} before training, {after:.2f} after it")

if len(sys.argv) > 2:
    axis = eigenvalues(None, [arrays["spectrum/after"] for arrays in found])
    axis.figure.savefig(sys.argv[2])
