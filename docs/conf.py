"""How the documentation is built: ``nox -s docs``."""

from __future__ import annotations

import builtins
import tomllib
from pathlib import Path
from typing import Any

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "atlassian-auth"
author = "The atlassian-auth authors"
copyright = f"2026, {author}"  # noqa: A001  (the name Sphinx reads)
release = version = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())[
    "project"
]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "any"
nitpicky = True
# Other projects’ names: a build must not need the network to fetch their inventories.
nitpick_ignore_regex = [
    ("py:.*", r"(?!atlassian_auth)(\w+\.)+\w+.*"),
    ("py:.*", r"atlassian_auth[\w.]*\.[A-Z]"),  # type variables
    ("py:class", r"(NonNegative|Positive)(Float|Int)"),  # pydantic's
    (
        "py:class",
        r"atlassian_auth\.([\w.]+\.)?_[\w.]+",
    ),  # private bases: the reference shows what they add
]

add_module_names = False
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "exclude-members": "model_config",
}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False


def keep_colons(_app: Sphinx, what: str, *details: Any) -> None:
    """Stop napoleon from taking what stands before a colon for an attribute's type."""
    lines = details[-1]
    if what in {"attribute", "data", "property"} and lines:
        lines[:0] = ["..", ""]  # an empty comment


def leave_plain(_app: Sphinx, _env: object, node: pending_xref, text: Element) -> Element | None:
    """Show a name in backticks that is a parameter's or Python's own; other names must be found."""
    target = node["reftarget"]
    return text if target.islower() or hasattr(builtins, target) else None


def use_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: Element
) -> Element | None:
    """Link an annotation whose class is defined in a private module to the name that users import."""
    name = node["reftarget"].rpartition(".")[2]
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, "class", f"atlassian_auth.{name}", node, text
    )


def setup(app: Sphinx) -> None:
    """Register the three; napoleon's own priority is 500."""
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("missing-reference", leave_plain)
    app.connect("missing-reference", use_public_name)
