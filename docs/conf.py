"""The site: `python -m sphinx -W -b html docs build/site` runs the pages' cells and builds it.

English pages are in docs/, their Korean twins in docs/ko/ under the same names.
"""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# For the extension `pages`.
sys.path.insert(0, str(DOCS))
# The reference and the pages' cells are those of this checkout, whatever is installed.
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

project = "mrc"
author = "the authors of mrc"
html_title = "mrc"
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "pages",
]
exclude_patterns = ["course/exercises/**"]
templates_path = ["_templates"]

# Links such as training.md#speed work as they do on a repository's web page.
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]

# Cells run once; a page whose cells are unchanged, and its Korean twin, take what is kept in
# build/.jupyter_cache. Each page runs in a folder of its own, as a downloaded notebook does.
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# `name` in a docstring is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [
    ("Attributes with one entry per feature", "params_style"),
    ("Attributes with one entry per example", "params_style"),
]

html_theme = "furo"
# The theme's own underlines modules and classes, which then look like links.
pygments_dark_style = "github-dark"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
# Copy what is typed, not what is printed.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
