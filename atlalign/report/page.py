"""HTML pages: the frame that all share, and a plain page of text and pictures."""

import html
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from atlalign._files import atomic_path

_STYLE = """
:root { --ink: #1d2329; --soft: #5b6670; --line: #d9dee3; --paper: #fff; --flag: #fff4d6; --flag-line: #e0a800; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .3rem; padding-top: .9rem; border-top: 2px solid var(--ink);
  overflow-wrap: anywhere; }
p { margin: .4rem 0; max-width: 60rem; }
a { color: #0b5cad; }
img, svg { display: block; width: 100%; height: auto; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .86rem; margin-top: .3rem; }
figcaption b { color: var(--ink); }
.soft { color: var(--soft); }
.plain figure { margin: 1.5rem 0; }
.plain img { width: auto; max-width: 100%; }
.pictures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.1rem; margin: 1rem 0; }
.flags { list-style: none; margin: .8rem 0; padding: 0; max-width: 60rem; }
.flags li { background: var(--flag); border-left: 4px solid var(--flag-line); padding: .35rem .7rem; margin: .3rem 0; }
.scale { display: flex; align-items: center; gap: .5rem; font-size: .8rem; color: var(--soft); margin-top: .3rem; }
.scale i { flex: 0 0 9rem; height: .7rem; border: 1px solid var(--line); }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
td:first-child { min-width: 13rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-right: 1rem; }
tr.flagged td { background: var(--flag); }
.index { display: grid; grid-template-columns: repeat(auto-fill, minmax(14.5rem, 1fr)); gap: 1rem; margin: 1.2rem 0; }
.card { border: 1px solid var(--line); border-radius: 4px; padding: .6rem; overflow-wrap: anywhere; }
.card.flagged { border-color: var(--flag-line); }
.card a { font-weight: 600; }
.card ul { margin: .35rem 0 0; padding-left: 1.1rem; font-size: .83rem; }
@media (max-width: 700px) { .pictures { grid-template-columns: 1fr; } }
@media print {
  @page { margin: 12mm; }
  body { font-size: 10.5pt; max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  a { color: inherit; text-decoration: none; }
  section { break-before: page; }
  h1 + section { break-before: auto; }
  figure, tr, .card, .flags li { break-inside: avoid; }
  table { font-size: 8.5pt; }
  h2 { border-top: 0; margin-top: 0; padding-top: 0; }
}
""".strip()


def write_page(path: str | os.PathLike, title: str, paragraphs: Iterable[str], pictures: dict[str, str]) -> None:
    """Write an HTML page of text and pictures.

    Parameters
    ----------
    path : path-like
        The page.
    title : str
        Its heading.
    paragraphs : list of str
        Plain text.
    pictures : dict of str to str
        Caption to file name, relative to the page.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "page.html"
    >>> write_page(page, "Fish & chips", ["Text."], {"A curve": "curve.png"})
    >>> "<h1>Fish &amp; chips</h1>" in page.read_text(), 'src="curve.png"' in page.read_text()
    (True, True)
    """
    with atomic_path(Path(path)) as temporary, open(temporary, "w", encoding="utf-8") as page:
        begin_page(page, title)
        page.writelines(f"<p>{html.escape(paragraph)}</p>\n" for paragraph in paragraphs)
        page.write('<div class="plain">\n')
        for caption, name in pictures.items():
            page.write(
                f'<figure><img src="{html.escape(name)}" alt="{html.escape(caption)}">'
                f"<figcaption>{html.escape(caption)}</figcaption></figure>\n"
            )
        page.write("</div>\n")
        end_page(page)


def begin_page(page: TextIO, title: str) -> None:
    """Write the head of a page, its style and its heading; `end_page` closes what this opens.

    Examples
    --------
    >>> import io
    >>> page = io.StringIO()
    >>> begin_page(page, "Sections")
    >>> end_page(page)
    >>> page.getvalue().splitlines()[0], page.getvalue().splitlines()[-1]
    ('<!doctype html>', '</html>')
    """
    title = html.escape(title)
    page.write(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )


def mark_outdated(path: str | os.PathLike, name: str, remedy: str) -> None:
    """Say at the top of a page that what it shows of something has changed since; once, however often it is called.

    Parameters
    ----------
    path : path-like
        What `begin_page` began; left as it is if it is another page.
    name : str
        What has changed.
    remedy : str
        What brings the page up to date, a sentence.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
    >>> write_page(path, "Sections", ["All are well."], {})
    >>> mark_outdated(path, "s3", "Write it again.")
    >>> "s3 has changed since this page was written. Write it again." in path.read_text()
    True
    """
    heading, end, rest = Path(path).read_text(encoding="utf-8").partition("</h1>\n")
    mark = f"<p><b>{html.escape(f'{name} has changed since this page was written. {remedy}')}</b></p>\n"
    if end and mark not in rest:
        with atomic_path(path) as temporary:
            temporary.write_text(heading + end + mark + rest, encoding="utf-8")


def end_page(page: TextIO) -> None:
    r"""Close a page that `begin_page` began.

    Examples
    --------
    >>> import io
    >>> page = io.StringIO()
    >>> end_page(page)
    >>> page.getvalue()
    '</body>\n</html>\n'
    """
    page.write("</body>\n</html>\n")
