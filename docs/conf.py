"""How the documentation site is built: `make docs`. The pages are the Markdown files of this folder; docs/_ext adds
the API, the settings, the commands and the gallery, all from the code.
"""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]
os.environ["MPLBACKEND"] = "agg"

import ratecore  # noqa: E402

project = "ratecore"
author = "The ratecore developers"
copyright = f"{author}, MIT license"
version = release = ratecore.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "parts",
    "api",
]
exclude_patterns = ["_ext", "examples", "README.md"]
highlight_language = "none"  # of blocks that do not say what they are, such as output
nitpicky = True
show_warning_types = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4  # as on GitHub, so that links to headings work there and here

# Notebooks are executed, each with a limit of two minutes; `make docs NOTEBOOKS=off` shows them as they are.
nb_execution_mode = "off" if os.environ.get("NOTEBOOKS") == "off" else "cache"
nb_execution_timeout = 600  # s of a cell, on a busy machine; on a quiet one a notebook takes a minute or two
nb_execution_raise_on_error = True
nb_execution_cache_path = str(DOCS.parent / "build/notebooks")
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "ratecore"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": "ratecore"},
    "header_links_before_dropdown": 8,
    "navbar_align": "left",
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}
if repository := os.environ.get("GITHUB_REPOSITORY"):  # where GitHub builds the site
    html_theme_options["icon_links"] = [
        {"name": "GitHub", "url": f"https://github.com/{repository}", "icon": "fa-brands fa-github"}
    ]
html_sidebars = {"index": [], "gallery/index": []}
