"""How `make docs` builds the site: pages in Markdown, a page for each public name, a gallery whose examples are run."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import gradline  # noqa: E402


def in_one_line(message: object, category: type[Warning], *place: object) -> str:
    """A warning in the output of an example, without the folder in which the site was built."""
    return f"{category.__name__}: {message}\n"


warnings.formatwarning = in_one_line  # type: ignore[assignment]

project = "gradline"
author = "The gradline maintainers"
release = version = gradline.__version__
copyright = author

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "myst_nb",
    "public_names",
]
exclude_patterns = ["_build", "_extensions", "gallery/**/*.ipynb"]
templates_path = ["_templates"]
nb_execution_mode = "off"  # the blocks of every page are run by tests/docs, the gallery by its own extension
myst_heading_anchors = 4
myst_enable_extensions = ["deflist", "colon_fence"]
suppress_warnings = ["config.cache"]

autosummary_generate = True
autosummary_imported_members = False
add_module_names = False  # the heading of each page has the full name
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_use_ivar = True
# The types of parameters are told in words.
nitpicky = True
nitpick_ignore_regex = [(r"py:(class|obj|data|exc|attr|func|meth|mod)", r".*")]

sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples" / "gallery")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"plot_",
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "abort_on_example_error": True,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "remove_config_comments": True,
    "plot_gallery": "True",
    "default_thumb_file": str(HERE / "images" / "line-of-best-fit.png"),
    "within_subsection_order": "FileNameSortKey",
    "subsection_order": [
        f"../examples/gallery/{name}" for name in ("learning", "losses", "effects", "curves", "choosing", "errors", "data")
    ],
}

html_theme = "pydata_sphinx_theme"
html_title = "gradline"
html_static_path = ["_static"]
html_css_files = ["gradline.css"]
html_js_files = ["gradline.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_nav_level": 1,
    "navigation_depth": 3,
    "header_links_before_dropdown": 7,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "tutorial", "glossary", "figures")}  # nothing stands below them
