"""The site: `make docs` builds these pages, and the docstrings of what `ppgfast` names, into build/docs."""

import re
from typing import Any

import ppgfast

project = "ppgfast"
author = "The ppgfast authors"
copyright = "the ppgfast authors, Apache-2.0"
version = release = ppgfast.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["results/**"]  # parts of results.md
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nitpicky = False

napoleon_use_ivar = True
napoleon_attr_annotations = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings give shapes and units
default_role = "code"

html_theme = "furo"
html_title = "ppgfast"
html_static_path = []
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def prose_is_no_type(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """`name : text` describes here, where napoleon expects a type: put the text on a line of its own."""
    section, made = "", []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following and set(following) == {"-"}:
            section = line
        item = re.fullmatch(r"(\w[\w, ]*) : (.*)", line)
        if item and section in ("Parameters", "Attributes"):
            made += [item[1], f"    {item[2]}"]
        else:
            made.append(line)
    lines[:] = made


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", prose_is_no_type, priority=400)  # before napoleon
