"""An exported network in the published MATLAB function, under GNU Octave.

RATECORE_SPIKERNN names a checkout of the code of Kim, Li & Sejnowski (2019), https://github.com/rkim35/spikeRNN;
without it, or without Octave, these tests are skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from conftest import PATIENCE

from ratecore.experiment.exporting import export
from ratecore.formats import add_to_mat, load_mat
from ratecore.rate.evaluation import evaluate
from ratecore.rate.training import train
from ratecore.settings.network import NetworkSettings
from ratecore.settings.run import RunSettings
from ratecore.spiking import ConversionSettings, SpikingSettings, rate_model, search_scaling
from ratecore.spiking.scoring import TrialsOfTask

CHECKOUT = os.environ.get("RATECORE_SPIKERNN", "")
OCTAVE = shutil.which("octave-cli") or shutil.which("octave")
N_TRIALS = 24  # half of them go: a trial of the published function takes seconds
pytestmark = [
    pytest.mark.paper,
    pytest.mark.skipif(not CHECKOUT, reason="RATECORE_SPIKERNN names no checkout of the published code"),
    pytest.mark.skipif(not OCTAVE, reason="GNU Octave is not installed"),
]

SCRIPT = """
addpath('{functions}'); rand('seed', 1); randn('seed', 1);
load('{mat}', 'opt_scaling_factor');
load('{stimuli}', 'u');
n = size(u, 3); outs = []; rates = [];
stims = struct('mode', 'none');
for k = 1:n
  [~, ~, ~, ~, all_fr, out] = LIF_network_fnc('{mat}', opt_scaling_factor, u(:, :, k), stims, 1, false);
  outs(:, k) = out(100:100:end); peaks(k) = max(out(10000:end)); rates(:, k) = all_fr;
end
save('-v7', '{found}', 'outs', 'peaks', 'rates');
"""


def test_a_network_scores_the_same_in_the_published_function(tmp_path):
    settings = RunSettings(seed=4, network=NetworkSettings(N=100))
    result, task = train(settings), settings.create_task()
    assert result.trained
    scores = evaluate(task, result.net, 4, settings.evaluation).scores
    mat, _ = export(tmp_path, settings, result, scores)
    model = rate_model(mat)
    # Not the best lambda, but one with which some trials are wrong, so that there is something to compare.
    search = search_scaling(model, task, ConversionSettings(n_trials=60, search="full"), seed=4)
    add_to_mat(
        mat,
        {
            "opt_scaling_factor": search.opt_scaling_factor,
            "all_perfs": search.all_perfs,
            "scaling_factors": search.scaling_factors,
        },
    )
    kinds = ["go", "nogo"] * (N_TRIALS // 2)
    # One column more than T, as the published search has it
    u = np.stack([np.pad(task.generate_stimulus(kind, 0)[0], ((0, 0), (0, 1))) for kind in kinds], -1)
    scipy.io.savemat(tmp_path / "stimuli.mat", {"u": u})
    functions = next(Path(CHECKOUT).rglob("LIF_network_fnc.m")).parent
    script = SCRIPT.format(functions=functions, mat=mat, stimuli=tmp_path / "stimuli.mat", found=tmp_path / "found.mat")
    (tmp_path / "trials.m").write_text(script)
    subprocess.run(
        [OCTAVE, "--no-gui", "--quiet", str(tmp_path / "trials.m")], check=True, timeout=PATIENCE, cwd=tmp_path
    )
    published = load_mat(tmp_path / "found.mat")
    go = np.array([kind == "go" for kind in kinds])
    theirs = np.where(go, published["peaks"].ravel() > 0.7, published["peaks"].ravel() < 0.3)

    trials = TrialsOfTask(model, task, SpikingSettings(), 5)
    (ours,) = trials.run(range(400), [search.opt_scaling_factor])
    # Both are binomial; 4 standard errors of the difference are passed by one in 16,000.
    p = np.mean(ours.correct)
    q = min(max(p, 0.01), 0.99)
    assert abs(np.mean(theirs) - p) < 4 * np.sqrt(q * (1 - q) * (1 / N_TRIALS + 1 / 400))
    # Mean rates of each type, over trials: the difference in standard errors of both.
    for name, of in (("rate_exc", ~model.inh), ("rate_inh", model.inh)):
        a, b = published["rates"][of].mean(0), np.array(getattr(ours, name))
        assert abs(a.mean() - b.mean()) < 4 * np.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size), name
