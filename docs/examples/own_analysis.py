"""An analysis of one's own: how many units are active, and when. Registered by `analysis_file: own_analysis.py`."""

import numpy as np

import ratecore as rate


def active(material, settings):
    """Share of the units whose mean rate over trials is above `least`, at each time."""
    trials = material.activity(settings.n_trials)  # r is (trials, steps, units), NaN after the end of a trial
    if trials.r.shape[1] < 2:
        return "its trials have a single step"  # why a network is left out
    share = (np.nanmean(trials.r, 0) > settings.least).mean(1)
    numbers = {"share": share.mean(), "peak_ms": 5.0 * share.argmax()}
    return numbers, {"times": 5.0 * np.arange(len(share)), "share": share}


def draw(networks):
    """The course of each network of a grid point."""
    from ratecore import figures  # here, since drawing takes a second to import

    figure, ax = figures.new_figure(4.5, 3)
    for label, arrays in networks.items():
        ax.plot(arrays["times"], arrays["share"], label=label)
    ax.set(xlabel="time (ms)", ylabel="share of active units", ylim=(0, 1))
    ax.legend(fontsize=7, frameon=False)
    return figure


rate.register_analysis(
    "active",
    active,
    numbers={"share": "share of active units, mean over time, in [0, 1]", "peak_ms": "time of the largest share, ms"},
    settings={"n_trials": 50, "least": 0.1},
    draw=draw,
)

if __name__ == "__main__":
    print("a configuration chooses it by analysis_file: own_analysis.py and analyses: [active]")
