"""The site: `python -m sphinx -W --keep-going docs build/site` makes it from the documents and the docstrings."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

import api_pages
import command_pages
from repository import linkcode_resolve as linkcode_resolve

from hotloop import __version__, warmup

DOCS = Path(__file__).parent
api_pages.write(DOCS / "api")
command_pages.write(DOCS / "commands")
shutil.copyfile(DOCS.parent / "examples" / "notebook.ipynb", DOCS / "notebook.ipynb")
warmup(profiles=True)  # so that no page shows the message of the first compilation

project = "hotloop"
author = "the hotloop developers"
copyright = author
release = version = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "links",
    "text",
    "repository",
]
# The last three leave out the forms of MathJax that no page loads.
exclude_patterns = ["extensions", "gallery/*.ipynb", "mathjax/*full*.js", "mathjax/*mml*.js", "mathjax/*svg*.js"]
default_role = "py:obj"  # names between single backquotes: extensions/docstrings.py makes those without a page code
nitpicky = True
templates_path = ["_templates"]

python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings say it in words
autodoc_member_order = "groupwise"
autosummary_generate = True
autosummary_ignore_module_all = False
numpydoc_show_class_members = False  # the template of a class lists them

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),
    "image_srcset": ["2x"],
    "doc_module": ("hotloop",),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "hotloop"
# The files of MathJax come from a package, so that pages load nothing from other hosts.
(MATHJAX,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
html_static_path = ["_static", f"{MATHJAX}/static"]
mathjax_path = "mathjax/tex-chtml.js"
html_css_files = ["hotloop.css"]
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_domain_indices = False  # the pages of the API list the same names
html_show_sourcelink = False
html_sidebars = {"index": [], "changelog": [], "contributing": []}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "logo": {"text": "hotloop"},
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
copybutton_exclude = ".linenos, .gp, .go"
