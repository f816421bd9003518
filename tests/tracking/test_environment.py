"""The recorded environment of a run: complete, small, shared by runs with the same one, and accepted by pip."""

import json
import subprocess
import sys
from importlib import metadata

import pytest
from conftest import PATIENCE

from ratecore.tracking.environment import environment, requirements, write_environment
from ratecore.tracking.provenance import provenance


def installed(folder, name, version, direct=None, kind="dist-info"):
    """A distribution as pip leaves it."""
    place = folder / f"{name}-{version}.{kind}"
    place.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: of the description\nVersion: 0\n"
    (place / {"dist-info": "METADATA", "egg-info": "PKG-INFO"}[kind]).write_text(text)
    if direct is not None:
        (place / "direct_url.json").write_text(direct if isinstance(direct, str) else json.dumps(direct))


def lines(*folders):
    return requirements(metadata.distributions(path=[str(folder) for folder in folders])).splitlines()


def test_every_distribution_is_named_once(tmp_path):
    installed(tmp_path / "a", "Zope.Interface_x", "1.0")
    installed(tmp_path / "a", "alpha", "2.0rc1", kind="egg-info")
    installed(tmp_path / "b", "Alpha", "1.0")  # behind the other on the path: it is not what is imported
    (tmp_path / "a" / "broken-1.dist-info").mkdir()
    head, *rest = lines(tmp_path / "a", tmp_path / "b")
    assert head.startswith(f"# Python {sys.version.split()[0]} (CPython), ")
    assert rest == ["alpha==2.0rc1", "zope-interface-x==1.0"]


@pytest.mark.parametrize(
    ("direct", "line"),
    [
        (
            {"url": "https://me:sesame@host/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "x @ git+https://***@host/x.git@abc  # 1.0",
        ),
        ({"url": "https://host/x-1.0.whl", "archive_info": {}}, "x @ https://host/x-1.0.whl  # 1.0"),
        ({"url": "file:///home/me/x-1.0.whl", "archive_info": {}}, "x==1.0  # from the file x-1.0.whl"),
        ({"url": "file:///home/me/x", "dir_info": {"editable": True}}, "# x==1.0 from a folder, editable"),
        ({"url": "file:///home/me/x", "dir_info": {}}, "# x==1.0 from a folder"),
        ("[]", "x==1.0  # from elsewhere: its direct_url.json cannot be read"),
        ("{", "x==1.0  # from elsewhere: its direct_url.json cannot be read"),
    ],
)
def test_what_came_from_elsewhere_says_so(tmp_path, direct, line):
    installed(tmp_path, "x", "1.0", direct)
    assert lines(tmp_path)[1:] == [line]


def test_torch_of_an_index_of_its_own_is_reported_to_be(tmp_path):
    installed(tmp_path, "torch", "2.8.0+cu126")
    installed(tmp_path, "other", "1.0+local")
    assert lines(tmp_path)[1:] == [
        "# torch's +cu126 build is in PyTorch's own index: give pip its --extra-index-url (pytorch.org, Get Started)",
        "other==1.0+local",
        "torch==2.8.0+cu126",
    ]


def test_this_environment_is_complete_and_written_once(tmp_path):
    path, sha256 = write_environment(tmp_path)
    assert path == tmp_path / "environments" / f"environment-{environment().hash}.txt"
    assert sha256.startswith(environment().hash) and path.read_text() == environment().text
    named = {metadata.version(name) for name in ("torch", "numpy", "scipy", "numba", "matplotlib", "pydantic")}
    assert all(f"=={version}\n" in environment().text for version in named)
    before = path.stat().st_mtime_ns
    write_environment(tmp_path)
    assert path.stat().st_mtime_ns == before
    path.write_text("damaged")
    write_environment(tmp_path)
    assert path.read_text() == environment().text
    assert path.stat().st_size < 20_000


def test_the_record_of_a_run_holds_the_hash_alone():
    assert provenance()["environment"] == environment().hash
    assert len(json.dumps(provenance())) < 1000


def test_what_setuptools_brings_with_it_is_not_listed(tmp_path):
    installed(tmp_path, "x", "1.0")
    installed(tmp_path / "setuptools" / "_vendor", "y", "2.0")
    found = metadata.distributions(path=[str(tmp_path), str(tmp_path / "setuptools" / "_vendor")])
    assert requirements(found).splitlines()[1:] == ["x==1.0"]


def test_pip_takes_the_list(tmp_path):
    """With what is installed, so that nothing is loaded: every line is understood and fulfilled."""
    path, _ = write_environment(tmp_path)
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "-r", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "Would install" not in done.stdout
