"""Pages of results: one self-contained HTML file each, with tables and figures in it."""
