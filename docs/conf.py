"""The site: `make docs` builds these pages, and the docstrings of what `ppgfast` names, into build/docs."""

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
