"""Shared by the tests: small settings that train in a second or two, and one trained network per session."""

import os
import sys
import tempfile

# One worker of the tests runs on each core. On small arrays, more threads only wait for each other. Set before torch is
# imported, also by programs that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Hundreds of programs import ratecore; Python compiles it once, also where the environment says that it must not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import jaxtyping
import pytest
from warm_python import WarmPython

sys.dont_write_bytecode = False  # read from the environment before

# Modules whose shapes and types beartype checks in all calls within the test process. Left out are rate, spiking.source
# and spiking.lif (their own checks are tested with wrong arrays), spiking.kernels, system.noise, system.scalar (Numba
# compiles no checks), settings (pydantic checks them), and modules that name types which only type checkers import
# (system.arrays, and what handles users' tasks).
SHAPES_CHECKED = [
    "ratecore.analysis.balance",
    "ratecore.analysis.cross_correlation",
    "ratecore.analysis.currents",
    "ratecore.analysis.decay",
    "ratecore.analysis.decoding",
    "ratecore.analysis.dimensionality",
    "ratecore.analysis.discriminant",
    "ratecore.analysis.dpca",
    "ratecore.analysis.dpca_regression",
    "ratecore.analysis.dpca_significance",
    "ratecore.analysis.group_tests",
    "ratecore.analysis.intervals",
    "ratecore.analysis.learning",
    "ratecore.analysis.orders",
    "ratecore.analysis.rank_tests",
    "ratecore.analysis.selectivity",
    "ratecore.analysis.spectrum",
    "ratecore.analysis.spike_intervals",
    "ratecore.analysis.spike_trains",
    "ratecore.analysis.spike_variability",
    "ratecore.analysis.synaptic",
    "ratecore.analysis.tdr",
    "ratecore.analysis.timescales",
    "ratecore.analysis.trials",
    "ratecore.analysis.tuning",
    "ratecore.figures.balance",
    "ratecore.figures.boxes",
    "ratecore.figures.by_axis",
    "ratecore.figures.decoding",
    "ratecore.figures.distribution",
    "ratecore.figures.evidence",
    "ratecore.figures.examples",
    "ratecore.figures.graded",
    "ratecore.figures.groups",
    "ratecore.figures.lambda_curves",
    "ratecore.figures.learning",
    "ratecore.figures.perturbations",
    "ratecore.figures.population",
    "ratecore.figures.rate",
    "ratecore.figures.search",
    "ratecore.figures.spike_trains",
    "ratecore.figures.spiking",
    "ratecore.figures.style",
    "ratecore.figures.timescales",
    "ratecore.formats.conform",
    "ratecore.formats.containers",
    "ratecore.formats.errors",
    "ratecore.formats.hdf5",
    "ratecore.formats.mat",
    "ratecore.formats.matlab",
    "ratecore.formats.matlab5",
    "ratecore.formats.matlab_writing",
    "ratecore.formats.npz",
    "ratecore.formats.pth",
    "ratecore.formats.reading",
    "ratecore.formats.single",
    "ratecore.formats.task_settings",
    "ratecore.spiking.comparison",
    "ratecore.spiking.conversion",
    "ratecore.spiking.exploration",
    "ratecore.spiking.graded",
    "ratecore.spiking.perturbation",
    "ratecore.spiking.results",
    "ratecore.spiking.scoring",
    "ratecore.system.intervals",
    "ratecore.system.streams",
    "ratecore.tasks.go_nogo",
    "ratecore.tasks.mante",
    "ratecore.tasks.oscillation",
    "ratecore.tasks.pro_anti",
    "ratecore.tasks.timed",
    "ratecore.tasks.xor",
]
jaxtyping.install_import_hook(SHAPES_CHECKED, "shapes.checked")  # before these modules are imported

from ratecore.settings.run import RunSettings  # noqa: E402

# Seconds after which something is taken to hang. Far above what it takes on a busy machine: no test measures speed.
PATIENCE = 1800

# The files that take longest. They are begun first, so that in the end no worker is alone with one of them.
LONGEST = (
    "test_workflow.py",
    "test_workflow_grids.py",
    "test_servers.py",
    "test_faults.py",
    "test_outside.py",
    "test_readme.py",
    "test_tracking_docs.py",
    "test_new_stage.py",
    "test_analyses.py",
    "test_examples.py",
    "test_compilation.py",
    "test_block.py",
    "test_network.py",
    "test_bounds.py",
    "test_benchmarks.py",
    "test_users.py",
    "test_figures.py",
    "test_tracking_trouble.py",
    "test_tracking_restoring.py",
    "test_convert.py",
    "test_tracking.py",
    "test_stages.py",
    "test_devices.py",
)


def pytest_collection_modifyitems(items):
    """The longest files first; the order is else as it was."""
    place = {name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def small_settings(**changes) -> RunSettings:
    """A Go-NoGo network of 20 units with 200 trials: quick, and not trained to criterion."""
    values = dict(
        task_settings={"T": 60, "stim_on": 10, "stim_dur": 10},
        network=dict(N=20, P_inh=0.3, taus=(4, 20)),
        training=dict(n_trials=200, eval_freq=100, eval_tr=20),
        evaluation=dict(n_trials=20, psychometric_trials=3),
    )
    return RunSettings(**{**values, **changes})


def flipped_bits(data: bytes, rng, n: int = 100):
    """`data` n times, each with one random bit flipped."""
    for position in rng.integers(0, len(data), n):
        changed = bytearray(data)
        changed[position] ^= 1 << rng.integers(8)
        yield bytes(changed)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Tasks that a test registers, and files that it loads, are gone after it."""
    from ratecore.tasks import TaskFactory, files

    monkeypatch.setattr(TaskFactory, "_tasks", dict(TaskFactory._tasks))
    monkeypatch.setattr(files, "_loaded", dict(files._loaded))
    monkeypatch.setattr(files, "_code", dict(files._code))
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    folders = [path.parent for path in files._loaded]
    for name in set(sys.modules) - before:
        if any(files._is_beside(sys.modules[name], folder) for folder in folders):
            del sys.modules[name]


@pytest.fixture(scope="session")
def compiled_loops():
    """The loops of trainings are compiled: once, and not by each of the first jobs of each worker."""
    from ratecore.rate.training import warm_up
    from ratecore.system.compilation import cache_folder
    from ratecore.system.files import locked

    if folder := cache_folder():
        with locked(folder / "tests"):
            warm_up(small_settings())


@pytest.fixture(scope="session")
def python(compiled_loops):
    """The path of an interpreter that starts within milliseconds: see warm_python.py."""
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket must be short
        warm = WarmPython(folder)
        yield warm.executable
        warm.close()


@pytest.fixture(scope="session")
def prepared_tables():
    """MLflow copies its tables to a new SQLite file (prepared_store.py)."""
    import ratecore.tracking.mlflow.mirror  # noqa: F401  # sets what MLflow reads when it is imported

    import prepared_store  # isort: skip

    prepared_store.install()


@pytest.fixture(autouse=True)
def tables_are_prepared(request):
    """In the tests of tracking, almost all of which have a store of their own."""
    if request.path.parent.name == "tracking":
        request.getfixturevalue("prepared_tables")


@pytest.fixture(scope="session")
def png_file():
    """The bytes of a small PNG file."""
    from ratecore import figures

    return figures.png(figures.note("-"))


@pytest.fixture
def figures_are_not_rendered(monkeypatch, png_file):
    """Figures are made, but one PNG stands for all: rendering takes longer than the stages of a small network."""
    from matplotlib.figure import Figure

    from ratecore import figures

    def png(figure):
        assert isinstance(figure, Figure)
        return png_file

    monkeypatch.setattr(figures, "png", png)


@pytest.fixture(scope="session")
def trained():
    """Settings and TrainingResult of a small network, with its evaluation. Tests must not change them."""
    from ratecore.rate.evaluation import evaluate
    from ratecore.rate.training import train

    settings = small_settings()
    result = train(settings)
    return settings, result, evaluate(settings.create_task(), result.net, settings.seed, settings.evaluation)


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """Paths of the `.mat` and the `.pth` of `trained`, and what scipy reads in the `.mat`."""
    import scipy.io

    from ratecore.experiment.exporting import export

    settings, result, evaluation = trained
    mat, pth = export(tmp_path_factory.mktemp("out"), settings, result, evaluation.scores)
    return mat, pth, scipy.io.loadmat(mat)
