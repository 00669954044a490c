"""How Sphinx builds these pages; see CONTRIBUTING.md."""

project = 'gan_jax'
extensions = ['myst_parser']
exclude_patterns = ['_build', 'results/*/finding.md']
myst_heading_anchors = 3
smartquotes = False  # which makes one dash of the two of a flag
highlight_language = 'none'  # of blocks that name no language
html_theme = 'furo'
html_title = 'gan_jax'
html_show_copyright = False
