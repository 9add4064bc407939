"""Pages: self-contained HTML files from Jinja2 templates, with pictures as data URIs.

A page loads nothing from outside and runs no script; its ``Content-Security-Policy`` says so. Every text is escaped.
The room imports only other leaves, and Jinja2 and matplotlib only when called.
"""

from ifdd.pages.pictures import Picture, figure_uri, image_uri, themed
from ifdd.pages.rendering import render

__all__ = ["Picture", "figure_uri", "image_uri", "render", "themed"]
