"""Stage 'analyse': its results, what fails in it, and which changes do it again."""

import io
import shutil

import numpy as np
import pytest

from ratecore.experiment.analyses import packages, table
from ratecore.experiment.analyses import spectrum as spectrum_analysis
from ratecore.experiment.analyses.results import AnalysisResult
from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import analysis_figures
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import analyse
from ratecore.experiment.stages import table as stages_table
from ratecore.experiment.stages.analyse import analyse_run
from ratecore.experiment.stages.evaluate import evaluate_run
from ratecore.experiment.stages.export import export_run
from ratecore.experiment.stages.running import StageError, run_block
from ratecore.experiment.stages.table import STAGES, row_of, stages_of
from ratecore.experiment.stages.train import train_run
from ratecore.experiment.summary import IncompleteError, grid_figures, summarize
from ratecore.formats import FormatError, load_analysis, result_from_pth
from ratecore.formats.npz import analysis_bytes
from ratecore.settings import analysis as analysis_settings
from ratecore.settings.base import SettingsError
from ratecore.settings.run import RunSettings
from ratecore.tracking.mlflow.translation import Translation

pytestmark = pytest.mark.usefixtures("figures_are_not_rendered")

CONFIG = {
    "experiment": "analysed",
    "convert": False,
    "analyses": ["spectrum"],
    "grid": {"seed": [0, 1]},
    "network": {"N": 10},
    "training": {"n_trials": 20, "eval_freq": 10, "eval_tr": 4},
    "evaluation": {"n_trials": 6},
    "task_settings": {"T": 60, "stim_on": 10, "stim_dur": 10},
}
WORK = {
    "train": lambda run: train_run(run, log=io.StringIO()),
    "evaluate": evaluate_run,
    "export": export_run,
    "analyse": analyse_run,
}


def experiment_in(folder, **changes):
    return Experiment.from_config({**CONFIG, "results": str(folder), **changes})


def runs_of(experiment):
    return [Run.at(experiment, point, seed) for point in experiment.grid_points for seed in experiment.seeds]


def do(experiment, *stages, log=None):
    log = log or io.StringIO()
    return [run_block(stage, runs_of(experiment), WORK[stage], log) for stage in stages or WORK][-1]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with everything done. Tests copy it."""
    folder = tmp_path_factory.mktemp("analysed")
    do(experiment_in(folder), "train", "evaluate", "export")
    return folder


@pytest.fixture
def experiment(results, tmp_path):
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    return experiment_in(tmp_path)


def test_its_results_are_in_the_record_the_file_the_table_and_mlflow(experiment):
    with pytest.raises(IncompleteError, match="'analyse' is not done"):
        summarize(experiment)
    ends = do(experiment, "analyse")
    summary = summarize(experiment)
    for run, end, (_, row) in zip(runs_of(experiment), ends, summary.iterrows(), strict=True):
        net = result_from_pth(run.network).net
        expected = np.linalg.eigvals(net.effective_weights().detach().double().numpy())
        arrays = load_analysis(run.file("analysis"))["spectrum"]
        np.testing.assert_allclose(np.sort_complex(arrays["after"]), np.sort_complex(expected), atol=1e-10)
        assert end["numbers"]["spectrum/radius"] == pytest.approx(np.abs(expected).max(), rel=1e-5)
        assert row["spectrum_radius"] == end["numbers"]["spectrum/radius"]
        assert end["left_out"] == end["errors"] == {}
        assert set(end["numbers"]) == {f"spectrum/{name}" for name in table.ANALYSES["spectrum"].numbers}
        translate = Translation()
        shown = [translate(event) for event in run.record.events()][-1]
        assert shown.points["analysis/spectrum/radius", 0] == end["numbers"]["spectrum/radius"]
    assert set(analysis_figures(experiment, experiment.grid_points[0])) == {"spectrum_eigenvalues"}
    assert "spectrum_radius" in grid_figures(experiment)
    log = io.StringIO()
    do(experiment, "analyse", log=log)
    assert log.getvalue().count("analyse is already done") == 2


def test_an_analysis_that_fails_leaves_the_others_alone(experiment, monkeypatch):
    row = table.Analysis("broken", "", {}, {}, figures=("broken_figure",))
    monkeypatch.setattr(table, "ROWS", (row, *table.ROWS))
    monkeypatch.setattr(analyse, "identities", lambda run: dict.fromkeys(run.settings.analyses, "any"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table.Analysis, "work", property(lambda row: f"test_analyse:{row.name}"))
        run = runs_of(experiment)[0]
        settings = run.settings.model_copy(update={"analyses": ("broken", "spectrum", "other")})
        monkeypatch.setattr(table, "ROWS", (row, table.Analysis("other", "", {}, {}), *table.ROWS[1:]))
        patch.setattr(analysis_settings.AnalysisSettings, "broken", None, raising=False)
        patch.setattr(analysis_settings.AnalysisSettings, "other", None, raising=False)
        run.settings = settings
        log = io.StringIO()
        end = analyse_run(run, log)
    assert end["errors"] == {"broken": "LinAlgError: Singular matrix"}
    assert end["left_out"] == {"other": "the network keeps no weights"}
    assert end["numbers"] == {"spectrum/count": 3, "spectrum/third": 0.333333}
    assert "analysis broken failed" in log.getvalue() and "LinAlgError" in log.getvalue()
    assert set(load_analysis(run.file("analysis"))) == {"spectrum"}


def broken(material, settings):
    raise np.linalg.LinAlgError("Singular matrix")


def other(material, settings):
    return AnalysisResult(skipped="the network keeps no weights")


def spectrum(material, settings):
    eigenvalues = {"before": np.zeros(2, complex), "after": np.ones(2, complex), "bulk": np.ones(2)}
    return AnalysisResult({"count": np.int64(3), "third": 1 / 3, "undefined": np.nan}, eigenvalues)


def test_what_failed_is_in_the_table_and_in_mlflow(experiment, monkeypatch):
    monkeypatch.setattr(spectrum_analysis, "analyse", broken)
    do(experiment, "analyse")
    assert list(summarize(experiment)["error"]) == ["spectrum: LinAlgError: Singular matrix"] * 2
    assert summarize(experiment)["spectrum_radius"].isna().all()
    translate = Translation()
    shown = [translate(event) for event in runs_of(experiment)[0].record.events()][-1]
    assert shown.tags["analysis/spectrum"] == "failed: LinAlgError: Singular matrix"
    assert set(analysis_figures(experiment, experiment.grid_points[0])) == {"spectrum_eigenvalues"}  # says why


def test_figures_that_fail_leave_others_alone_and_say_why(experiment, monkeypatch, capsys):
    do(experiment, "analyse")
    monkeypatch.setattr(spectrum_analysis, "draw", lambda networks: 1 / 0)
    made = analysis_figures(experiment, experiment.grid_points[0])
    (text,) = made["spectrum_eigenvalues"].axes[0].texts
    assert text.get_text() == "spectrum: its figures failed: ZeroDivisionError: division by zero"
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError("No space left on device"), MemoryError()], ids=["disk", "memory"])
def test_what_the_machine_could_not_do_is_tried_again(experiment, monkeypatch, error):
    def fails(material, settings):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(spectrum_analysis, "analyse", fails)
        with pytest.raises(StageError, match="2 of 2 runs broke in analyse"):
            do(experiment, "analyse")
    assert [end["status"] for end in do(experiment, "analyse")] == ["done"] * 2


def test_identities_are_as_they_were_without_analyses():
    plain = RunSettings()
    assert (plain.identity(), plain.identity("training")) == ("b6ad8ec0b38db996", "f0b104a9d4f425f1")  # of release 0.1
    changed = RunSettings(analyses=["spectrum"], analysis={"spectrum": {"margin": 0.3}})
    for stage in ("train", "evaluate", "export", "convert"):
        assert changed.identity(*STAGES[stage].settings) == plain.identity(*STAGES[stage].settings)
    assert changed.identity("training", "analysis") != RunSettings(analyses=["spectrum"]).identity(
        "training", "analysis"
    )


def test_newer_settings_of_an_analysis_count_where_they_are_not_at_their_defaults():
    def identity(**dpca):
        return RunSettings(analyses=["dpca"], analysis={"dpca": dpca}).identity("training", "analysis")

    assert identity() == identity(repeats=10) == "6e99b9937bbb9a2a" != identity(repeats=11)


def test_settings_of_other_analyses_and_of_the_evaluation_do_not_count(monkeypatch):
    def identity(**settings):
        return RunSettings(analyses=["spectrum"], **settings).identity("training", "analysis")

    assert identity() == identity(evaluation={"n_trials": 7}) == identity(spiking={"dt": 0.1})
    monkeypatch.setattr(analysis_settings.SpectrumSettings, "depends_on", ("evaluation",))
    assert identity() != identity(evaluation={"n_trials": 7}) and identity() == identity(spiking={"dt": 0.1})
    monkeypatch.setattr(analysis_settings.SpectrumSettings, "depends_on", analysis_settings.SPIKES)
    assert identity() == identity(evaluation={"n_trials": 7}) and identity() != identity(spiking={"dt": 0.1})
    plain = RunSettings(spiking={"dt": 0.1})
    assert plain.identity("training", "analysis") == RunSettings().identity("training", "analysis")


def test_axes_of_its_settings_make_variants_of_it_alone(tmp_path):
    grid = {"analysis.spectrum.margin": [0.1, 0.5], "evaluation.n_trials": [4, 6]}
    experiment = experiment_in(tmp_path, grid=grid, convert=True)
    assert experiment.columns("analyse") == ("task", "N", "taus", "spectrum_margin")
    assert experiment.columns("export")[3:] == experiment.columns("convert")[3:] == ("evaluation_n_trials",)
    assert len(experiment.grid_points_of("analyse")) == len(experiment.grid_points_of("convert")) == 2
    assert len(experiment.grid_points_of("train")) == 1


def test_analyses_of_spikes_wait_for_the_conversion(monkeypatch, tmp_path):
    row_of.cache_clear()
    monkeypatch.setattr(analysis_settings.SpectrumSettings, "depends_on", analysis_settings.SPIKES)
    try:
        row = stages_of(experiment_in(tmp_path, convert=True).settings)["analyse"]
        assert row.needs == ("train", "convert") and set(row.variants) == {*STAGES["convert"].variants, "analysis"}
        with pytest.raises(SettingsError, match=r"analyses = \['spectrum'\]: spectrum is of spiking networks, which"):
            experiment_in(tmp_path)
    finally:
        row_of.cache_clear()


@pytest.mark.parametrize(("changes", "message"), [
    ({"analyses": ["spectrm"]}, r"unknown analysis 'spectrm' \(did you mean 'spectrum'\?\); available: spectrum"),
    ({"analyses": "spectrum"}, r"analyses = 'spectrum': it must be a list of analyses, as \[spectrum\]"),
    ({"analyses": ["spectrum", "spectrum"]}, "analyses: spectrum is listed twice"),
    ({"analyses": [], "grid": {"analysis.spectrum.margin": [0.1, 0.2]}},
     r"analysis.spectrum.margin has no effect with analyses = \[\]; add spectrum to them"),
    ({"grid": {"analysis.spectrum.margn": [0.1, 0.2]}}, r"unknown axis 'analysis.spectrum.margn' \(did you mean"),
    ({"grid": {"analyses": [["spectrum"], []]}}, "unknown axis 'analyses'; it is one for all runs, outside grid"),
    ({"analysis": {"spectrum": {"margin": -1}}}, "analysis.spectrum.margin = -1.*greater than or equal to 0"),
], ids=["unknown", "word", "twice", "not chosen", "axis", "no axis", "value"])  # fmt: skip
def test_bad_settings_are_named(tmp_path, changes, message):
    with pytest.raises(SettingsError, match=message):
        experiment_in(tmp_path, **changes)


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    row = table.Analysis("spectrum", "", {}, {}, packages=("no_such_package",))
    monkeypatch.setattr(packages, "chosen", lambda names: [row] if "spectrum" in names else [])
    needs = r"analyses = \['spectrum'\]: spectrum needs no_such_package, which is not installed: pip install 'ratecore"
    with pytest.raises(SettingsError, match=needs):
        experiment_in(tmp_path)
    experiment_in(tmp_path, analyses=[])


def test_other_code_of_figures_does_no_analysis_again(experiment, monkeypatch):
    do(experiment, "analyse")
    monkeypatch.setattr(stages_table, "figures_hash", lambda: "newer")
    log = io.StringIO()
    do(experiment, "analyse", log=log)
    assert log.getvalue().count("analyse is already done") == 2


def test_a_damaged_file_is_written_again(experiment):
    do(experiment, "analyse")
    path = runs_of(experiment)[0].file("analysis")
    data = path.read_bytes()
    path.write_bytes(data[:-30])
    with pytest.raises(FormatError, match="not a readable file of analyses"):
        load_analysis(path)
    do(experiment, "analyse")
    assert load_analysis(path).keys() == {"spectrum"}


def test_files_of_analyses_hold_no_objects(tmp_path):
    with pytest.raises(ValueError, match="a/b is of object; arrays have numbers or text"):
        analysis_bytes({"a": {"b": np.array([None])}})
    (tmp_path / "x.npz").write_bytes(analysis_bytes({"a": {"b": np.array(["E", "I"]), "c/d": np.arange(3j)}}))
    found = load_analysis(tmp_path / "x.npz")["a"]
    assert list(found["b"]) == ["E", "I"] and found["c/d"].dtype == complex


@pytest.mark.parametrize("row", table.ROWS, ids=[row.name for row in table.ROWS])
def test_rows_fit_together(row):
    assert row.name in analysis_settings.KNOWN and set(row.columns) <= set(row.numbers)
    assert 0 < len(row.columns) <= 6, "a handful"
    assert all(figure.column in row.summary for figure in row.grid_figures)
    assert all(name.startswith(row.name) for name in (*row.figures, *(figure.name for figure in row.grid_figures)))
    captions = stages_table.PACKAGE.parent / "workflow/report"
    assert all((captions / f"{name}.rst").is_file() for name in (*row.figures, *(f.name for f in row.grid_figures)))
    assert callable(stages_table.function_of(row.work)) and callable(stages_table.function_of(row.draw))
    own = getattr(analysis_settings.AnalysisSettings(), row.name)
    assert isinstance(own, analysis_settings.OneAnalysis)
    assert not {f"{row.name}_{key}" for key in type(own).model_fields} & set(row.summary)  # names of axes


def test_every_setting_of_an_analysis_has_its_row():
    assert set(analysis_settings.KNOWN) == set(table.ANALYSES)
