"""How the documentation is built: ``nox -s docs``."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils.nodes import Element, document
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish
from sphinx.util.logging import getLogger

import atlassian_auth

ROOT = Path(__file__).parents[1]
logger = getLogger(__name__)
# Tests hold a FakeAtlassian, so the methods of its base are shown there.
EMULATOR = {"atlassian_auth.testing.emulator.Emulator": "atlassian_auth.testing.FakeAtlassian"}
METADATA = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]

project = METADATA["name"]
author = "The atlassian-auth authors"
copyright = f"2026, {author}"  # noqa: A001  (the name Sphinx reads)
release = version = METADATA["version"]

extensions = [
    "myst_parser",
    "notfound.extension",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_html_meta = {"description": METADATA["description"]}
copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_baseurl = os.environ.get(
    "READTHEDOCS_CANONICAL_URL", f"{METADATA['urls']['Documentation']}/en/latest/"
)
notfound_urls_prefix = urlsplit(html_baseurl).path
html_theme_options = {
    "source_repository": METADATA["urls"]["Homepage"],
    "source_branch": "main",
    "source_directory": "docs/",
}

# The names of other projects that the pages use, a line each: the name, its kind, and the page where it is.
# The projects' own inventories are large and would need the network. A name that is missing fails the build.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "elsewhere/python.txt"),
    "others": ("https://", "elsewhere/others.txt"),
}

default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"atlassian_auth[\w.]*\.[A-Z]")]  # type variables

autodoc_default_options = {"members": True, "exclude-members": "model_config"}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
napoleon_numpy_docstring = False


class SearchWithNumbers(SearchEnglish):
    """Finds 401 and 503, too: Sphinx drops words of digits only, so they get an underscore in front."""

    js_splitter_code = r"""
    var splitQuery = (query) =>
      (query.match(/[\p{Letter}\p{Number}_]+/gu) || []).map((word) => word.replace(/^\d+$/, "_$&"));
    """

    def split(self, input: str) -> list[str]:  # noqa: A002  (Sphinx's name)
        """Return the words of a text."""
        return [f"_{word}" if word.isdecimal() else word for word in super().split(input)]


def keep_colons(_app: Sphinx, what: str, *details: Any) -> None:
    """Stop napoleon from taking what stands before a colon for an attribute's type."""
    lines = details[-1]
    if what in {"attribute", "data", "property"} and lines:
        lines[:0] = ["..", ""]  # an empty comment


def show_values(_app: Sphinx, *details: Any) -> tuple[str, str | None] | None:
    """Show arguments that users can read and give, with the values of private defaults."""
    what, _, obj, _, arguments, result = details
    if not arguments:
        return None
    # What the library makes from private parts; what pydantic, a Protocol or an Enum gives each class.
    if what == "class" and re.search(
        r"\._|: _|^\((\*args|\*\*data|(value|\*values)\)$)", arguments
    ):
        return "", result
    names = vars(sys.modules[obj.__module__])
    shown = re.sub(r"(?<== )_[A-Z]\w+", lambda found: repr(names[found[0]]), arguments)
    return re.sub(r"<(factory|[\w.]+ object)>", "...", shown), result


def find_names(_app: Sphinx, tree: document) -> None:
    """Look for a name in backticks in every module, and first among those that `atlassian_auth` exports."""
    for node in tree.findall(pending_xref):
        if node["reftype"] == "obj":
            node["refspecific"] = True
            if node["reftarget"] in atlassian_auth.__all__:
                node["reftarget"] = f"atlassian_auth.{node['reftarget']}"


def leave_plain(_app: Sphinx, _env: object, node: pending_xref, text: Element) -> Element | None:
    """Show a name in backticks that is a parameter's; other names must be found."""
    return text if node["reftype"] == "obj" and node["reftarget"].islower() else None


def use_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Element
) -> Element | None:
    """Link an annotation whose class is defined in a private module to the name that users import."""
    name = node["reftarget"].rpartition(".")[2]
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, "class", f"atlassian_auth.{name}", node, text
    )


def check_names(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public method and property that ``objects.inv`` will lack; the tests know the rest."""
    shown = env.domains.python_domain.objects
    module = owner = arguments = ""
    for line in ROOT.joinpath("tests", "docs", "api.txt").read_text("utf-8").splitlines():
        if found := re.match(r"# (.*)|class (\w+)", line):
            module = found[1] or module
            owner = shown[f"{module}.{found[2]}"].node_id if found[2] else ""
            arguments = ""
        elif line.startswith("    __init__"):
            arguments = line
        elif owner and (found := re.match(r"    (\w+)(\(|$)", line)):
            is_field = f" {found[1]}: " in arguments
            name = f"{EMULATOR.get(owner, owner)}.{found[1]}"
            if not is_field and name not in shown:
                logger.warning(
                    "%s is not in the reference: it needs a docstring, or :inherited-members:", name
                )


def check_search(app: Sphinx, error: Exception | None) -> None:
    """Warn if the search would not find what people look for."""
    index = app.outdir / "searchindex.js"
    if error is None and index.is_file():
        words = index.read_text("utf-8")
        for word in ("_401", "_503", "kubernet"):
            if not re.search(rf'[{{,]"?{word}"?:', words):
                logger.warning("the search does not find %s", word)


def setup(app: Sphinx) -> None:
    """Register them; napoleon's own priority is 500."""
    app.add_search_language(SearchWithNumbers)
    app.add_object_type("fixture", "fixture")  # pytest's
    app.add_object_type("marker", "marker")
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-process-signature", show_values)
    app.connect("doctree-read", find_names)
    app.connect("missing-reference", leave_plain)
    app.connect("missing-reference", use_public_name)
    app.connect("env-check-consistency", check_names)
    app.connect("build-finished", check_search)
