"""The site: `make docs` builds it into build/site, without network, and every warning is an error."""

project = "trocr-gsa"
root_doc = "index"
extensions = ["myst_parser"]
myst_heading_anchors = 3
highlight_language = "none"

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
