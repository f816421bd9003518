"""docs/terminal.py: what a terminal shows, as an SVG."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "docs/terminal.py"
SVG = "{http://www.w3.org/2000/svg}"


def drawn(folder, *arguments):
    subprocess.run([sys.executable, SCRIPT, folder / "x.svg", *map(str, arguments)], check=True)
    return ET.parse(folder / "x.svg").getroot()


def words(group) -> list[str]:
    return ["".join(text.itertext()).rstrip() for text in group.iter(f"{SVG}text")]


def test_a_command_is_recorded_with_its_colours(tmp_path):
    code = r"print('one <&>\n\x1b[31mred\x1b[0m \x1b[1mbold'); import sys; print(sys.stdout.isatty())"
    root = drawn(tmp_path, "--keep", tmp_path / "kept", "--", sys.executable, "-c", code)
    assert words(list(root.iter(f"{SVG}g"))[-1]) == ["one <&>", "red bold", "True"]
    spans = {span.text.strip(): span.attrib for span in root.iter(f"{SVG}tspan")}
    assert spans["red"]["fill"] == "#e06c75" and spans["bold"]["font-weight"] == "bold"
    assert all(isinstance(t, float) for t, _ in json.loads((tmp_path / "kept").read_text()))


def test_pictures_follow_one_another_and_the_last_stays(tmp_path):
    (tmp_path / "kept").write_text(json.dumps([[0, "a"], [20.0, "\rb"], [59.0, "\rc"]]))
    root = drawn(tmp_path, "--from", tmp_path / "kept")
    groups = list(root.iter(f"{SVG}g"))
    assert [words(group) for group in groups] == [["a"], ["b"], ["c"]]
    spans = []
    for group in groups:
        (animate,) = group.iter(f"{SVG}animate")
        times = [float(t) for t in animate.get("keyTimes").split(";")]
        visible = animate.get("values").split(";")
        assert len(times) == len(visible) and times[0] == 0 and times == sorted(times)
        begin = times[visible.index("visible")]
        ends = [t for t, v in zip(times, visible, strict=True) if t > begin and v == "hidden"]
        spans.append((begin, min(ends, default=1.0)))
    assert spans[0][0] == 0 and spans[-1][1] == 1
    assert [end for _, end in spans[:-1]] == [begin for begin, _ in spans[1:]]  # always exactly one
    assert [group.get("visibility") for group in groups] == ["hidden", "hidden", None]  # as without animation
    assert words(drawn(tmp_path, "--from", tmp_path / "kept", "--at", 30)) == ["b"]
