"""The site: `make docs` builds it into build/site, without network, and every warning is an error."""

import re
from itertools import groupby

project = "trocr-gsa"
root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
default_role = "code"  # `this` in docstrings
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_use_rtype = False

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}

CODE = re.compile(r"(`[^`]+`)")
SPECIAL = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")  # what reStructuredText takes for markup
SECTION = re.compile(r"(\w+):(?: (.+))?$")  # Args: | Returns: what is returned


def as_restructured(app, what, name, obj, options, lines):
    """Let docstrings be the plain text that they are: `code` is code, |H| is |H|, and equations stand as written."""
    blocks = [list(block) for blank, block in groupby(lines, key=lambda line: not line.strip()) if not blank]
    first_section = next((i for i, block in enumerate(blocks) if SECTION.match(block[0])), len(blocks))
    lines[:] = [line for i, block in enumerate(blocks) for line in [*_restructured(block, i < first_section), ""]]


def _restructured(block, before_sections):
    section = SECTION.match(block[0])
    if before_sections and _is_equation(block):
        return ["::", "", *(f"    {line}" for line in block)]
    if section is not None and section[2] and section[1] == "Args":
        return [f"Arguments {_escaped(section[2])}", "", "Args:", *map(_escaped, block[1:])]
    if section is not None and section[2]:
        return [f"*{section[1]}*: {_escaped(' '.join([section[2], *(line.strip() for line in block[1:])]))}"]
    example = next((i for i, line in enumerate(block) if line.lstrip().startswith(">>>")), len(block))
    return [*map(_escaped, block[:example]), *block[example:]]


def _is_equation(block):
    """Whether a block outside of sections is set apart, aligned, or defines something without being a sentence."""
    if block[0].lstrip().startswith((">>>", "- ")):
        return False
    defines = " = " in block[0] and not block[-1].endswith((".", ":"))
    return defines or any(line.startswith(" ") for line in block)


def _escaped(line):
    parts = CODE.split(line)
    return "".join(f"`{part}`" if CODE.fullmatch(part) else SPECIAL.sub(r"\\\1", part) for part in parts)


def setup(app):
    """Change docstrings before napoleon reads their sections."""
    app.connect("autodoc-process-docstring", as_restructured, priority=100)
