"""What makes the site: every public name and option has its page, and broken links are found. .ci/run builds it."""

import argparse
import importlib
import runpy
from pathlib import Path

import numba
import pytest

import hotloop
from docs.extensions import api_pages, command_pages, docstrings, links
from hotloop.network.cli.parser import parser

ROOT = Path(__file__).parents[2]
GALLERY = sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))
PUBLIC = [path.stem for path in (ROOT / "src" / "hotloop").glob("[!_]*.py")]
START = (
    '<a id="top" href="a.html#there">a</a><img src="b.png" srcset="b.png 2x"><a href="https://numba.pydata.org">n</a>'
)


def test_every_public_module_has_a_page():
    assert {*api_pages.MODULES} == {"hotloop", "hotloop.kernels", *(f"hotloop.{name}" for name in PUBLIC)}


def test_every_public_name_is_on_the_page_of_its_module(tmp_path):
    api_pages.write(tmp_path)
    for module in api_pages.MODULES:
        lines = {line.strip() for line in (tmp_path / "modules" / f"{module}.rst").read_text().splitlines()}
        names = [name for name in importlib.import_module(module).__all__ if not name.startswith("__")]
        pages = [f"hotloop.{name}" if name in hotloop.__all__ else f"{module}.{name}" for name in names]
        assert [page for page in pages if f"~{page.removeprefix('hotloop.')}" not in lines] == []


def test_pages_of_names_that_are_gone_are_dropped(tmp_path):
    (tmp_path / "names").mkdir()
    for name in ("hotloop.Network", "hotloop.Nerwork"):
        (tmp_path / "names" / f"{name}.rst").touch()
    api_pages.write(tmp_path)
    assert [path.name for path in (tmp_path / "names").iterdir()] == ["hotloop.Network.rst"]
    assert {path.stem for path in (tmp_path / "modules").iterdir()} == {*api_pages.MODULES, "returned"}


def test_every_option_is_on_the_page_of_its_command(tmp_path):
    command_pages.write(tmp_path)
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert {path.stem for path in tmp_path.iterdir()} == {*commands.choices}
    for name, command in commands.choices.items():
        text = (tmp_path / f"{name}.rst").read_text()
        options = [option for action in command._actions for option in action.option_strings]
        assert [option for option in options if f"{option}" not in text.partition(".. program::")[2]] == []
        assert f"/{name}\n" in (ROOT / "docs" / "command-line.md").read_text()


def test_what_is_no_markup_in_a_docstring():
    lines = ["sum |w|, ``|a|`` and `b_`", "", "z. Then coefs_.", "", ">>> a | b_", "c_", "", "2. d"]
    docstrings.escape(None, "", "", None, None, lines)
    assert lines == [r"sum \|w\|, ``|a|`` and `b_`", "", r"z\. Then coefs\_.", "", ">>> a | b_", "c_", "", "2. d"]


def site(folder, start, second='<p id="there"><a href="index.html#top">back</a></p>', style="a { color: red }"):
    for name, text in {"index.html": start, "a.html": second, "b.png": "", "c.css": style}.items():
        (folder / name).write_text(text)
    return links.faults(folder)


def test_a_site_that_holds_together(tmp_path):
    assert site(tmp_path, START) == []


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        ('<a href="c.html">', "index.html: c.html: no such file"),
        ('<a href="a.html#here">', "index.html: a.html#here: no such place on the page"),
        ('<a href="#bottom">', "index.html: #bottom: no such place on the page"),
        ('<img src="d.png">', "index.html: d.png: no such file"),
        ('<img srcset="b.png, d.png 2x">', "index.html: d.png: no such file"),
        ('<a href="http://numba.pydata.org">', "index.html: http://numba.pydata.org: not https"),
        ('<a href="https://numba">', "index.html: https://numba: not a host"),
        ('<a href="https://[numba">', "index.html: https://[numba: not an address"),
        ('<script src="https://cdn.org/a.js">', "index.html: https://cdn.org/a.js: loaded from another host"),
        ('<link href="//cdn.org/a.css">', "index.html: //cdn.org/a.css: loaded from another host"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, start, fault):
    assert site(tmp_path, START + start) == [fault]


def test_a_page_without_a_way_to_it_is_found(tmp_path):
    (found,) = site(tmp_path, START.replace("a.html#there", ""))
    assert found.startswith("a.html: no way leads here")


def test_a_style_that_loads_from_elsewhere_is_found(tmp_path):
    style = "a { background: url('https://cdn.org/a.png') url(b.png) url(data:image/png;base64,AA) }"
    assert site(tmp_path, START, style=style) == ["c.css: https://cdn.org/a.png: loaded from another host"]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow as plain Python")
@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_a_program_of_the_gallery_draws_one_picture(path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    pyplot.close("all")  # those of other tests
    runpy.run_path(str(path))
    (number,) = pyplot.get_fignums()
    assert all(axes.has_data() for axes in pyplot.figure(number).axes)
    pyplot.close("all")
