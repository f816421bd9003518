"""The configurations of the paper's figures: every one works, and all of them as one grid."""

from pathlib import Path

import pytest
import yaml

from ratecore.experiment.combine import combine
from ratecore.experiment.grid import Experiment

FOLDER = Path(__file__).parents[1] / "config" / "paper"
FILES = sorted(FOLDER.glob("*.yaml"))
# Figures of the paper and of its supplement whose settings are known
FIGURES = {
    *("fig1b", "fig1c", "fig2b", "fig2c", "fig2d", "fig2e", "fig3b", "fig3c", "fig4a", "fig4b", "fig4c", "fig4d"),
    *("fig4e", "fig5", "fig6a", "fig6b", "fig6c", "fig7", "figs3", "figs4", "figs7"),
}
RATE_ALONE = {"fig1b", "fig1c", "fig3b", "fig3c"}


def read(path):
    return yaml.safe_load(path.read_text())


def test_every_figure_has_a_file_and_every_spiking_figure_one_with_the_noise_of_the_released_code():
    names = {path.stem for path in FILES}
    assert names >= FIGURES | {f"{name}_noise" for name in FIGURES - RATE_ALONE} | {"noise"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_figure_is_a_complete_configuration_with_its_panel(path):
    experiment = Experiment.from_yaml(path)
    assert experiment.settings.experiment == "paper"
    assert path.stem in experiment.settings.panels
    assert all(panel.source for panel in experiment.settings.panels.values())
    assert all(claim.source for claim in experiment.settings.claims.values())


@pytest.mark.parametrize("path", [path for path in FILES if path.stem.endswith("_noise")], ids=lambda path: path.stem)
def test_a_figure_with_noise_differs_from_that_of_the_text_in_the_noise_alone(path):
    text, code = read(path.with_name(f"{path.stem.removesuffix('_noise')}.yaml")), read(path)
    assert (text.pop("spiking"), code.pop("spiking")) == ({"noise_sd": 0}, {"noise_sd": 0.1})
    claims = [{id_.replace("_noise-", "-"): claim for id_, claim in each.pop("claims", {}).items()} for each in (text, code)]
    # Whether networks are trained does not depend on the noise of the spiking network: those claims are judged once.
    assert claims[1] == {id_: claim for id_, claim in claims[0].items() if claim["measure"] != "trained"}
    panels = [list(each.pop("panels").values()) for each in (text, code)]
    assert panels[0] == panels[1]
    assert text == code


def test_networks_that_several_figures_show_are_trained_once():
    whole = Experiment.from_config(combine(FILES, seeds=[0]))
    parts = [Experiment.from_config(combine([path], seeds=[0])) for path in FILES]
    networks = [set(part.run_names()) for part in parts]
    assert set(whole.run_names()) == set().union(*networks)
    assert len(whole.run_names()) < sum(map(len, networks)) / 2
    assert set(whole.settings.claims) == {id_ for part in parts for id_ in part.settings.claims}
    assert set(whole.settings.panels) == {id_ for part in parts for id_ in part.settings.panels}
