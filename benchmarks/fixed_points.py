"""Times the search for fixed points, and looks for those of trained mante networks, for docs/fixed_points.md.

python benchmarks/fixed_points.py                # 1,000 starts at N = 200 on one core, in s
python benchmarks/fixed_points.py --networks 10  # trains 10 networks: docs/fixed_points.csv and figures
"""

import argparse
import csv
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import time  # noqa: E402, after the number of threads
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from ratecore.analysis.fixed_points import SLOW, FixedPoints, SlowPoints, find_fixed_points, find_slow_points  # noqa: E402
from ratecore.analysis.held_inputs import states_of  # noqa: E402
from ratecore.analysis.linearisation import cosines  # noqa: E402
from ratecore.analysis.lines import Line, line_through, share_along_line  # noqa: E402
from ratecore.analysis.rate_equations import RateEquations  # noqa: E402
from ratecore.figures.fixed_points import selection, slow_points, speed_limits  # noqa: E402
from ratecore.figures.style import color_of, legend, new_figure, png, title_over  # noqa: E402
from ratecore.rate.activity import trial_activity  # noqa: E402
from ratecore.rate.network import RateNetwork  # noqa: E402
from ratecore.rate.results import Activity  # noqa: E402
from ratecore.rate.training import train  # noqa: E402
from ratecore.settings.run import RunSettings  # noqa: E402
from ratecore.system.streams import stream  # noqa: E402

DOCS = Path(__file__).parents[1] / "docs"
CONTEXTS = ("motion", "color")
STARTS, RANDOM = 300, 100
SLOWER = 0.001  # another limit of slow points, 1/ms


def run_settings(seed: int) -> RunSettings:
    return RunSettings(task="mante", seed=seed, network={"N": 200, "taus": [4, 25]})


def context(k: int) -> np.ndarray:
    """The input after the stimulus: the cue alone."""
    u = np.zeros(4)
    u[2 + k] = 1
    return u


class Network:
    """A trained network with its activity, and what was found in each context."""

    def __init__(self, seed: int):
        self.seed, settings = seed, run_settings(seed)
        self.result = train(settings)
        self.equations = RateEquations.of(self.result.net)
        self.activity: Activity = trial_activity(settings.create_task(), self.result.net, seed, range(200))
        self.cued = [np.flatnonzero(self.activity.u[:, 2 + k, 0] == 1) for k in range(2)]

    def starts(self, k: int, n: int) -> np.ndarray:
        return states_of(self.activity.x, self.cued[k], n, stream(self.seed, "fixed_points", k))

    def points(self, k: int) -> FixedPoints:
        rng = stream(self.seed, "fixed_points", 10 + k)
        return find_fixed_points(self.equations, context(k), self.starts(k, STARTS), n_random=RANDOM, rng=rng)

    def slow(self, k: int, speed: float = SLOW) -> SlowPoints:
        return find_slow_points(self.equations, context(k), self.starts(k, STARTS), speed=speed)

    def choice_axis(self, k: int) -> np.ndarray:
        """From the mean state at the end of trials with a negative output to that of those with a positive one."""
        last, output = self.activity.x[self.cued[k], -1].astype(float), self.activity.o[self.cued[k], -1]
        return last[output > 0].mean(0) - last[output < 0].mean(0)


def near(slow: SlowPoints, points: FixedPoints) -> float:
    """Share of the slow points that are closer to a fixed point than a tenth of the distance of the stable ones."""
    stable = points.x[points.kind == "stable"]
    limit = 0.1 * np.linalg.norm(stable[0] - stable[-1])
    distances = np.linalg.norm(slow.x[:, None] - points.x, axis=2).min(1)
    return float((distances < limit).mean())


def untrained(network: Network, k: int) -> dict[str, object]:
    """The same of the network before training, from its own activity."""
    net = RateNetwork.from_settings(network.result.net.settings, 4)
    net.load_state_dict(network.result.initial)
    trials = trial_activity(run_settings(network.seed).create_task(), net, network.seed, range(200))
    starts = states_of(trials.x, network.cued[k], STARTS, stream(network.seed, "fixed_points", k))
    points = find_fixed_points(
        net, context(k), starts, n_random=RANDOM, rng=stream(network.seed, "fixed_points", 20 + k)
    )
    x = find_slow_points(net, context(k), starts).x
    return {
        "untrained_kinds": " ".join(points.kind),
        "untrained_share": f"{share_along_line(x):.3f}",
        "untrained_length": f"{np.sqrt(x.var(0).sum()):.2f}",
    }


def row(network: Network, k: int, points: FixedPoints, slow: SlowPoints, line: Line) -> dict[str, object]:
    """What docs/fixed_points.md sums up, of one context of one network."""
    order = np.argsort(points.output[:, 0])
    fast = np.abs(line.time_constants)
    return {
        "seed": network.seed,
        "context": CONTEXTS[k],
        "accuracy": f"{network.activity.scores.accuracy:.3f}",
        "kinds": " ".join(points.kind[order]),
        "outputs": " ".join(f"{o:.2f}" for o in points.output[order, 0]),
        "slowest_ms": " ".join(f"{t:.0f}" for t in points.slowest_ms[order]),
        "lost": points.n_lost + slow.n_lost,
        "line_share": f"{line.share:.3f}",
        "activity_share": f"{share_along_line(network.starts(k, STARTS)):.3f}",
        "output_correlation": f"{line.output_correlation:.4f}",
        "choice_cosine": f"{abs(cosines(line.direction, network.choice_axis(k)[None])[0]):.4f}",
        "readout_cosine": f"{np.median(line.readout[:, 0]):.3f}",
        "length": f"{np.sqrt(slow.x.var(0).sum()):.2f}",
        "near": f"{near(slow, points):.2f}",
        "near_slower": f"{near(network.slow(k, SLOWER), points):.2f}",
        **untrained(network, k),
        "mode_ms": f"{np.median(fast[:, 0]):.0f}",
        "next_mode_ms": f"{np.median(fast[:, 1]):.0f}",
        "relevant": f"{np.median(line.selection[:, k]):.3f}",
        "irrelevant": f"{np.median(line.selection[:, 1 - k]):.3f}",
    }


def timing(network: Network) -> None:
    """1,000 starts from the activity, and 1,000 random ones, in the first context."""
    starts = network.starts(0, 1000)
    for name, given, n_random in (("of the activity", starts, 0), ("drawn at random", None, 1000)):
        best = []
        for _ in range(3):
            wall, cpu = time.perf_counter(), time.process_time()
            points = find_fixed_points(network.equations, context(0), given, n_random=n_random, rng=0)
            best.append((time.perf_counter() - wall, time.process_time() - cpu))
        wall, cpu = np.min(best, 0)
        print(f"1,000 starts {name}, N = 200: {wall:.2f} s, {cpu:.2f} s of one core, {len(points)} points", flush=True)


def draw_example(network: Network) -> bytes:
    """Trajectories, slow and fixed points of both contexts, in the same plane."""
    a = network.activity
    names = [f"{c} {sign}" for c in CONTEXTS for sign in "+-"]
    means = np.array([a.x[a.scores.conditions == name].mean(0) for name in names], float)
    middle = means.reshape(-1, means.shape[2]).mean(0)
    plane = np.linalg.svd(means.reshape(-1, means.shape[2]) - middle, full_matrices=False)[2][:2].T
    figure, axes = new_figure(9.0, 3.6, columns=2, sharex=True, sharey=True)
    found = [(network.slow(k), network.points(k)) for k in range(2)]
    limits = speed_limits(np.concatenate([slow.speed for slow, _ in found]))
    for k, (axis, (slow, points)) in enumerate(zip(axes, found, strict=True)):
        at = (slow.x - middle) @ plane, slow.speed, (points.x - middle) @ plane, points.kind
        paths = (means[2 * k : 2 * k + 2] - middle) @ plane
        slow_points(axis, paths, ["choice +", "choice -"], *at, limits=limits, colorbar=k == 1)
        title_over(axis, f"cue: {CONTEXTS[k]}")
    axes[1].set_ylabel("")
    legend(axes[0], loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4)
    return png(figure)


def draw_networks(lines: list[list[Line]], rows: list[dict[str, object]]) -> bytes:
    """Of all networks: how straight and how slow the lines are, and what is taken up along them."""
    figure, (left, middle, right) = new_figure(10.5, 3.2, columns=3)
    for k, name in enumerate(("line_share", "activity_share")):
        for c, context_name in enumerate(CONTEXTS):
            values = [float(r[name]) for r in rows if r["context"] == context_name]  # type: ignore[arg-type]
            place = k + (c - 0.5) * 0.3 + np.linspace(-0.08, 0.08, len(values))
            left.plot(place, values, "o", ms=4, color=color_of(c), label=f"cue: {context_name}" if k == 0 else "")
    left.set_xticks((0, 1), ("slow points", "activity"))
    left.set(ylabel="share of variance along PC 1", ylim=(0, 1.03), xlim=(-0.5, 1.5))
    left.legend(fontsize=8, frameon=False, loc="lower left")
    bins = np.geomspace(50, 20_000, 40)
    for k, name in enumerate(("slowest mode", "next mode")):
        tau = np.abs(np.concatenate([line.time_constants[:, k] for pair in lines for line in pair]))
        middle.hist(np.clip(tau, bins[0], bins[-1]), bins, histtype="step", lw=1.5, color=color_of(2 + k), label=name)
    middle.set(xscale="log", xlabel="|time constant| along the line (ms)", ylabel="slow points")
    middle.legend(fontsize=8, frameon=False)
    taken_up = [np.array([np.median(pair[k].selection, 0) for pair in lines]) for k in range(2)]
    names = ["motion", "color", "cue:\nmotion", "cue:\ncolor"]
    selection(right, taken_up, [f"cue: {c}" for c in CONTEXTS], names)
    right.legend(fontsize=8, frameon=False)
    return png(figure)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--networks", type=int, default=0, metavar="K", help="train and analyse seeds 0 to K - 1")
    p.add_argument("--out", type=Path, default=DOCS, metavar="FOLDER", help="(default: docs)")
    args = p.parse_args()
    if not args.networks:
        timing(Network(0))
        return
    rows, lines = [], []
    for seed in range(args.networks):
        network = Network(seed)
        if seed == 0:
            timing(network)
            (args.out / "images").mkdir(exist_ok=True)
            (args.out / "images/fixed_points.png").write_bytes(draw_example(network))
        lines.append([])
        for k in range(2):
            points, slow = network.points(k), network.slow(k)
            lines[-1].append(line_through(network.equations, slow.x, 20))
            rows.append(row(network, k, points, slow, lines[-1][-1]))
            print(*rows[-1].values(), flush=True)
    (args.out / "images/fixed_points_networks.png").write_bytes(draw_networks(lines, rows))
    with (args.out / "fixed_points.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
