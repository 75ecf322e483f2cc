"""The report in a browser: headless Chromium, from disk."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from pfold.chem.assembly import build_assembly
from pfold.features.store import FeatureStore
from pfold.report.page import single_page, write_front_page
from pfold.report.tables import Tables, summarise
from pfold.targets.types import POLYMERS
from tests.molecules import TARGETS
from tests.report.conftest import write_stand_in

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Without a graphics card: WebGL by SwiftShader. As root in a container: no sandbox.
OPTIONS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on PATH: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of which nothing may complain, and which may ask for nothing but files."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    yield page
    assert not complaints
    assert requests
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in requests)
    page.close()


def open_front(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=table][data-plots=drawn]", state="attached")


def open_target(page: Page, report: Path, name: str) -> None:
    page.goto(f"{(report / 'target.html').as_uri()}#{name}")
    page.wait_for_selector("body[data-ready=target]", state="attached")


def first_cells(page: Page) -> list[str]:
    return page.locator("#targets tbody tr td:first-child").all_inner_texts()


def first_cell(page: Page) -> Locator:
    """The name in the table's first row, for `expect`, as the table sorts a moment after the click."""
    return page.locator("#targets tbody tr:first-child td:first-child")


def n_selected_atoms(page: Page) -> int:
    return page.evaluate("views[0].plugin.managers.structure.selection.stats.elementCount")


def is_blank(page: Page, selector: str) -> bool:
    """Whether an element shows one colour: looked at until it does not, for some seconds."""
    for _ in range(20):
        shot = np.asarray(Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB"))
        inside = shot[10:-80, 80:-10].reshape(-1, 3)
        if (inside != inside[0]).any(axis=1).sum() > 100:
            return False
        page.wait_for_timeout(500)
    return True


def test_the_table_sorts_searches_and_filters(finished_run, page):
    open_front(page, finished_run.results / "report/index.html")
    assert len(first_cells(page)) == 13
    page.click("th:has-text('target')")
    expect(first_cell(page)).to_have_text("monomer_9")
    page.click("th:has-text('target')")
    expect(first_cell(page)).to_have_text("bad")
    page.click("th:has-text('tokens')")
    expect(first_cell(page)).to_have_text("monomer_10")
    page.fill("input[type=search]", "dimer")
    assert first_cells(page) == ["dimer"]
    page.fill("input[type=search]", "")
    page.select_option("#filter-status", "rejected")
    assert first_cells(page) == ["bad"]
    page.select_option("#filter-status", "")
    page.fill("#filter-min-token", "16")
    page.fill("#filter-max-token", "17")
    assert sorted(first_cells(page)) == ["dimer", "monomer_8", "monomer_9"]
    page.fill("#filter-iptm", "0.01")
    assert first_cells(page) == ["dimer"]
    assert "UNTRAINED" in page.inner_text("#warning")


def test_a_click_opens_a_structure(finished_run, page):
    open_front(page, finished_run.results / "report/index.html")
    page.click("#targets tbody a:text-is('dimer')")
    page.wait_for_selector("body[data-ready=target]", state="attached")
    assert page.inner_text("h1") == "dimer"
    assert not is_blank(page, "#view")
    assert page.locator(".card").count() == 2
    page.select_option("#colour", "chain-id")
    page.select_option("#compare", "1")
    assert not is_blank(page, "#view-2")
    with page.expect_download() as download:
        page.click("button:has-text('mmCIF')")
    saved = download.value.path().read_text()
    assert saved == (finished_run.results / "predictions/dimer/dimer_model.cif").read_text()
    page.locator(".card").nth(1).click()
    page.wait_for_selector(".card.shown >> nth=0")
    assert page.evaluate("shown") == 1


def test_a_block_of_the_pae_is_selected_in_3d_and_back(finished_run, page):
    open_target(page, finished_run.results / "report", "dimer")
    assert n_selected_atoms(page) == 0
    box = page.locator("#pae .nsewdrag").first.bounding_box()
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    page.mouse.move(*at(0.02, 0.02))
    page.mouse.down()
    page.mouse.move(*at(0.1, 0.1), steps=5)
    page.mouse.move(*at(0.2, 0.2), steps=5)
    page.mouse.up()
    page.wait_for_selector("body[data-selected='3']", state="attached")
    assert page.inner_text("#selection") == "selected: A GLY 1 to A GLY 3"
    # Three glycines without hydrogens, none of them the last.
    assert n_selected_atoms(page) == 12
    bands = page.evaluate("document.getElementById('pae').layout.shapes.filter((s) => s.type === 'rect').length")
    assert bands == 2
    page.click("#clear")
    page.wait_for_function("views[0].plugin.managers.structure.selection.stats.elementCount === 0")
    # As a click in the structure does.
    page.evaluate("views[0].selected([{ labelAsymId: 'B', labelSeqId: 2 }])")
    assert page.inner_text("#selection") == "selected: B LYS 2"
    assert page.evaluate("document.getElementById('plddt').layout.shapes.some((s) => s.x0 === 8.5 && s.x1 === 9.5)")


def test_residues_that_are_clicked_in_3d_are_shown_in_the_pae(finished_run, page):
    open_target(page, finished_run.results / "report", "dimer")
    assert not is_blank(page, "#view")
    box = page.locator("#view canvas").first.bounding_box()
    for step in range(900):
        x, y = divmod(step, 30)
        page.mouse.click(box["x"] + box["width"] * (0.3 + x / 75), box["y"] + box["height"] * (0.3 + y / 75))
        if page.inner_text("#selection").startswith("selected"):
            break
    assert n_selected_atoms(page) > 0
    assert page.evaluate("document.getElementById('pae').layout.shapes.filter((s) => s.type === 'rect').length") == 2


def test_a_target_that_is_not_there_is_said(finished_run, page):
    page.goto(f"{(finished_run.results / 'report/target.html').as_uri()}")
    page.wait_for_selector("#error")
    assert "open one from the list" in page.inner_text("#error")


@pytest.mark.parametrize("name", ["complex", "nucleic"])
def test_ligands_ions_and_nucleic_acids_are_shown_and_selected(name, page, tmp_path):
    """Of a single file, which needs no other."""
    target = TARGETS[name]
    write_stand_in(tmp_path / name, target)
    (tmp_path / "page.html").write_text(single_page(tmp_path / name, FeatureStore(tmp_path / "store"), "0" * 16))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("body[data-ready=target]", state="attached")
    assert not is_blank(page, "#view")
    page.evaluate("select([...target.tokens.chain.keys()])")
    assert n_selected_atoms(page) == build_assembly(target).n_atom
    page.evaluate("select([target.tokens.chain.length - 1])")
    last = build_assembly(target).chains[-1]
    n_last = [len(residue.atom_name) for residue in last.residues]
    assert n_selected_atoms(page) == (n_last[-1] if last.kind in POLYMERS else sum(n_last))


def test_twenty_thousand_targets(finished_run, page, tmp_path, record_property):
    tables = summarise(finished_run)
    done = tables.summary[(tables.summary["rank"] == 1)]
    many = done.iloc[np.arange(20_000) % len(done)].reset_index(drop=True)
    many["name"] = [f"target_{i:05d}" for i in range(20_000)]
    many["plddt"] = np.random.default_rng(1).uniform(30, 98, 20_000).round(2)
    path = write_front_page(Tables(many, tables.pairs), finished_run, tmp_path / "index.html")
    page.goto(path.as_uri())
    page.wait_for_selector("#targets tbody tr:nth-child(25)")
    record_property("first_screen_ms", page.evaluate("performance.now()"))
    assert "of 20,000 entries" in page.inner_text(".dt-info")
    page.wait_for_selector("body[data-plots=drawn]", state="attached")
    page.click("th:has-text('pLDDT')")
    best = many.name[many.plddt == many.plddt.max()]
    expect(first_cell(page)).to_have_text(re.compile("|".join(best)))
    page.fill("#filter-plddt", "97")
    assert f"of {(many.plddt >= 97).sum():,} entries" in page.inner_text(".dt-info")
    page.fill("input[type=search]", "target_1234")
    assert "filtered from 20,000" in page.inner_text(".dt-info")
