"""What mkdocs.yml leaves to code: formulas, notebooks, pages from the root of the checkout, a check of the links.

MkDocs calls the functions ``on_...`` (https://www.mkdocs.org/dev-guide/plugins/#events). A warning fails the build,
because mkdocs.yml is strict.
"""

import logging
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

log = logging.getLogger("mkdocs.hooks.ifdd")

ROOT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Page in the root of the checkout -> its name on the site."""

FENCED_MATH = re.compile(r'<div class="math">(.*?)</div>', re.DOTALL)
INLINE_MATH = re.compile(r"\$<code>(.+?)</code>\$")
"""What Markdown makes of GitHub's formulas; pymdownx.superfences in mkdocs.yml names the former."""
NAMED_AFTER_FILE = re.compile(r"\[([\w-]+\.md)\]\(")
"""A link whose text is the name of a page's file."""
HEADING = re.compile(r"^# (.+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/ as Markdown."""
    root = Path(config.config_file_path).parent
    for source, name in ROOT_PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        text = re.sub(r"\]\(docs/", "](", text)
        for other, its_name in ROOT_PAGES.items():
            text = text.replace(f"]({other}", f"]({its_name}")
        files.append(File.generated(config, name, content=text))
    for path in sorted((root / "docs" / "notebooks").glob("*.ipynb")):
        for name, content in notebook_files(path).items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def notebook_files(path: Path) -> dict[str, str | bytes]:
    """Return the page of a notebook and its pictures: name -> content."""
    notebook = nbformat.read(path, as_version=4)
    text, resources = MarkdownExporter(exclude_input_prompt=True).from_notebook_node(
        notebook, {"unique_key": path.stem, "output_files_dir": path.stem}
    )
    title, _, rest = text.strip().partition("\n")
    download = f"*[Download this notebook]({path.name}){{ download }}*"
    pictures: dict[str, str | bytes] = dict(resources["outputs"])
    return {f"{path.stem}.md": f"{title}\n\n{download}\n{rest}\n", **pictures}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to notebooks lead to their pages, and give links that are named after a file the name of its page."""
    page.meta["hide"] = ["navigation"] if page.is_homepage else []
    if not page.file.src_uri.startswith("notebooks/"):
        markdown = re.sub(r"(\]\(notebooks/\w+)\.ipynb\)", r"\1.md)", markdown)
    return NAMED_AFTER_FILE.sub(lambda found: f"[{_title(found[1], files)}](", markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn formulas into MathML, which browsers show without a script."""
    html = FENCED_MATH.sub(lambda found: mathml(found[1], "block"), html)
    return INLINE_MATH.sub(lambda found: mathml(found[1], "inline"), html)


def mathml(formula: str, display: Literal["block", "inline"]) -> str:
    """Return a formula of LaTeX, with HTML's escapes, as MathML."""
    latex = unescape(formula).strip().replace("{aligned}", "{align*}")  # latex2mathml knows the latter only
    found: str = convert(latex, display=display)
    return found


def _title(name: str, files: Files) -> str:
    """Return the heading of a page, or its name if there is no such page."""
    file = files.get_file_from_path(name)
    found = HEADING.search(file.content_string) if file is not None else None
    return found[1] if found else name


class _References(HTMLParser):
    """Collects what a page refers to, what it loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the references of one element."""
        given = {name: value for name, value in attrs if value is not None}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if "href" in given:
            (self.links if tag == "a" or given.get("rel") == "canonical" else self.loaded).append(given["href"])
        if "src" in given:
            self.loaded.append(given["src"])


def on_post_build(config: MkDocsConfig) -> None:
    """Warn of every link without target, and of everything that would be loaded from the network."""
    site = Path(config.site_dir)
    pages = {path.relative_to(site).as_posix(): _References() for path in site.rglob("*.html")}
    for name, references in pages.items():
        references.feed((site / name).read_text(encoding="utf-8"))
    for name, references in pages.items():
        if name == "404.html":
            continue  # its links are absolute, because it may stand for any address
        for link in dict.fromkeys([*references.links, *references.loaded]):
            if problem := _problem(name, link, link in references.loaded, pages, site):
                log.warning("%s: %s %s", name, link, problem)


def _problem(name: str, link: str, is_loaded: bool, pages: dict[str, _References], site: Path) -> str:
    """Return what is wrong with a reference of a page, or ""."""
    parts = urlsplit(link)
    if parts.scheme == "data" or (parts.scheme in ("http", "https", "mailto") and not is_loaded):
        return ""
    if parts.scheme or parts.netloc:
        return "would be loaded from the network"
    path, anchor = urldefrag(link)
    target = name if not path else _joined(PurePosixPath(name).parent, unquote(path.partition("?")[0]))
    if not (site / target).is_file():
        return "leads nowhere"
    known = pages.get(target)
    return "names an anchor that does not exist" if anchor and known and unquote(anchor) not in known.anchors else ""


def _joined(folder: PurePosixPath, path: str) -> str:
    """Return a path relative to the site, without ``..``."""
    parts: list[str] = []
    for part in (folder / path).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
