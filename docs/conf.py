"""How Sphinx builds the documentation; CONTRIBUTING.md says with which commands."""

import os

# Before anything imports Keras: the start-up messages of its backend are no output of an example.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import atlalign

project = "atlalign"
author = "the atlalign developers"
copyright = author
release = version = atlalign.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "matplotlib.sphinxext.plot_directive",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"atlalign {release}"

# Docstrings set names in single backticks: names that have a page become links to it, others plain code.
default_role = "py:obj"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and shapes
autodoc_preserve_defaults = True
autodoc_default_options = {
    "members": True,
    # What a class inherits from the package is documented with it; what comes from elsewhere is not.
    "inherited-members": "object, BaseException, BaseModel, Callback, ImportError, Layer, Loss, Mapping, Operation, "
    "PyDataset, SwapEMAWeights",
    "exclude-members": "model_config, model_post_init",
}
numpydoc_show_class_members = False

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"svg.fonttype": "path", "font.size": 10}

# Only the examples of the pages run here: those of the docstrings run with the tests, inside their modules.
doctest_test_doctest_blocks = ""
doctest_global_setup = """
import os, tempfile
_started_in, _folder = os.getcwd(), tempfile.TemporaryDirectory()
os.chdir(_folder.name)
"""
doctest_global_cleanup = """
os.chdir(_started_in)
_folder.cleanup()
"""
