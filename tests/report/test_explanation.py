"""Pages of results: complete, escaped, self-contained, small, silent in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import captum_interactions as ci
from captum_interactions.report import Explanation, explanation_page, picture
from captum_interactions.report._parts import _areas, attribution_map
from captum_interactions.results import Interaction, report
from tests.comparison.test_page import CHROMIUM, EVIL, Page, browse

METHODS = {
    "and": ci.AndInteraction,
    "and_or": ci.AndOrInteraction,
    "shapley": ci.ShapleyInteraction,
    "orders": ci.MultiOrderInteraction,
    "multivariate": ci.MultivariateInteraction,
    "tree": ci.InteractionTree,
}
HOSTILE = [EVIL, "\ud83d", "a\0b", ""]


def game(x):
    return x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3] + x[:, 0]


def explain(name, f=game):
    options = {"partitions": "all"} if name == "multivariate" else {}
    return METHODS[name](f).interactions(torch.ones(2, 4).double(), **options)


def photo_with_everything():
    """196 patches, 200 pairs, 40 coalitions, 12 orders, over a noisy photo."""
    generator = torch.Generator().manual_seed(0)
    cell = torch.arange(224) // 16
    mask = 14 * cell[:, None] + cell
    values = torch.randn(196, generator=generator).tolist()
    names = [f"patch {i}" for i in range(196)]

    def some(size, count):
        for k in range(count):
            players = tuple(torch.randperm(196, generator=generator)[:size].tolist())
            yield Interaction(players, tuple(names[p] for p in players), 2.0 - k / 60)

    terms = list(some(5, 40))
    curve = [1.0 / (m + 1) for m in range(12)]
    orders = (list(range(12)), curve, [0.1] * 12)
    pairs = [(f"pair {k}", curve, [0.1] * 12) for k in range(6)]
    smooth = torch.rand(3, 28, 28, generator=generator)
    image = torch.nn.functional.interpolate(smooth[None], 224, mode="bilinear")[0]
    image = (image + 0.05 * torch.rand(3, 224, 224, generator=generator)).clamp(0, 1)
    return Explanation(
        "A photo",
        [("players", "196")],
        names,
        values,
        [0.1] * 196,
        0.0,
        sum(t.value for t in terms),
        terms,
        terms,
        list(some(2, 200)),
        orders,
        pairs,
        None,
        image,
        mask,
        reading=["Read it."],
    )


@pytest.mark.parametrize("name", METHODS)
def test_nothing_comes_from_elsewhere_and_names_stay_text(name):
    text = explain(name).named(HOSTILE).to_html(title=EVIL)
    text.encode()
    page = Page(text)
    assert "http:" not in text
    assert "https:" not in text
    assert "\0" not in text
    for _, attrs in page.tags:
        for key in ("src", "href"):
            assert attrs.get(key, "data:").startswith(("data:", "#"))
        assert not any(key.startswith("on") for key in attrs)
    (script,) = [data for tag, data in page.texts if tag == "script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(page.named("script")) == 1
    assert ("h1", EVIL) in page.texts
    assert "@" not in "".join(text for tag, text in page.texts if tag == "title")


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("f", [game, lambda x: 0 * x.sum(1)])
def test_terms_totals_and_values_are_those_of_the_result(name, f):
    result = explain(name, f)
    page = Page(result.to_html(examples=[1], k=5))
    buttons = [b for b in page.named("button") if "data-players" in b]
    for button, term in zip(buttons, result.top_k(5)[1], strict=False):
        assert button["data-players"] == " ".join(map(str, term.players))
        assert float(button["data-value"]) == pytest.approx(term.value)
        assert button["aria-pressed"] == "false"
    (slider,) = page.named("input")
    totals = [
        float(t.replace("\N{MINUS SIGN}", "-")) for t in slider["data-totals"].split()
    ]
    steps = result._steps(5, 1, ())
    assert len(totals) == int(slider["max"]) + 1 == len(steps) + 1
    total = float(result.info.v_empty[1]) + sum(term.value for term in steps)
    assert totals[-1] == pytest.approx(total, abs=0.01)
    text = " ".join(data for _, data in page.texts)
    assert "coalitions evaluated" in text


def test_every_player_of_an_image_has_its_outline():
    image = torch.rand(1, 3, 4, 4)
    mask = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2]])
    result = ci.ShapleyInteraction(lambda x: x.sum((1, 2, 3)) ** 2).interactions(
        image, feature_mask=mask
    )
    for shown in (image, image[0]):
        page = Page(result.to_html(image=shown))
        paths = {
            p["data-player"]: p["d"] for p in page.named("path") if "data-player" in p
        }
        assert set(paths) == {"0", "1", "2"}
        assert paths["0"] == "M0 0H2M0 2H2M0 0V2M2 0V2"
        (drawn,) = page.named("image")
        assert drawn["href"].startswith("data:image/png;base64,")
        # Lit players are seen through a clip path: the image is there once.
        assert [use["href"] for use in page.named("use")] == [f"#{drawn['id']}"]
    with pytest.raises(ValueError, match="`image` must be the one that was explained"):
        result.to_html(image=image[..., :2])


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_areas_are_the_pixels_of_their_player(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.randint(3, (height, width), generator=generator)
    found = torch.full_like(mask, -1)
    for player, path in _areas(mask).items():
        for rectangle in re.findall(r"M(\d+) (\d+)H(\d+)V(\d+)H\1z", path):
            left, top, right, bottom = map(int, rectangle)
            assert (found[top:bottom, left:right] == -1).all()
            found[top:bottom, left:right] = player
    assert torch.equal(found, mask)


def test_the_map_is_blue_where_a_player_adds():
    image, mask = torch.full((3, 2, 3), 0.5), torch.tensor([[0, 1, 2]] * 2)
    html = attribution_map(image, mask, [2.0, -1.0, 0.0])
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    pixels = np.asarray(Image.open(BytesIO(data))).astype(int)[0]
    red, green, blue = pixels.T
    assert blue[0] > green[0] > red[0]
    assert red[1] > green[1] > blue[1]
    assert red[2] == green[2] == blue[2]
    # What is half as strong is half as far from the gray ground.
    strong = attribution_map(image, mask, [2.0, -2.0, 0.0])
    data = base64.b64decode(re.search(r"base64,([^\"]+)", strong)[1])
    twice = np.asarray(Image.open(BytesIO(data))).astype(int)[0]
    far, near = (image[1] - pixels[2] for image in (twice, pixels))
    assert np.abs(far - 2 * near).max() <= 2


def test_sampled_orders_have_bands():
    f = game
    exact = ci.MultiOrderInteraction(f).interactions(torch.ones(1, 4).double())
    assert "polygon" not in exact.to_html()

    def more(x):
        return x.prod(1) + x[:, 0] * x[:, 1] * x[:, 2] + x.sum(1).square()

    generator = torch.Generator().manual_seed(0)
    sampled = ci.MultiOrderInteraction(more).interactions(
        torch.ones(1, 7).double(), n_samples=60, generator=generator
    )
    page = Page(sampled.to_html())
    bands = [p["points"].split() for p in page.named("polygon")]
    assert len(bands) == 6
    assert {len(points) for points in bands} == {2 * 6}  # up and back along six orders
    # The first band belongs to the pair with the strongest mean over orders.
    n = 7
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    strength = [float(sampled.values[0, :, i, j].abs().mean()) for i, j in pairs]
    i, j = pairs[int(np.argmax(strength))]
    assert f"{i}, {j}" in next(text for tag, text in page.texts if tag == "h4")


def test_pictures_are_what_they_were():
    image = torch.arange(24).view(3, 2, 4).double() / 23
    data = base64.b64decode(picture(image).partition(",")[2])
    shown = torch.tensor(np.asarray(Image.open(BytesIO(data)))).long()
    assert torch.equal(shown, (255 * image).round().long().permute(1, 2, 0))


def test_several_results_on_one_page():
    text = report({"AND": explain("and"), EVIL: explain("tree")}, EVIL)
    page = Page(text)
    assert [t for tag, t in page.texts if tag == "h2"] == ["AND", EVIL]
    assert [a["href"] for a in page.named("a")] == ["#e0", "#e1"]
    with pytest.raises(ValueError, match="`results` must be at least one result"):
        report({})


def test_the_form_in_a_notebook_is_small_and_has_no_script():
    text = explain("and_or").named(HOSTILE)._repr_html_()
    assert len(text) < 5_000
    page = Page(text)
    assert not page.named("script")
    assert len(page.tables[0]) <= 6


def test_dense_games_say_so():
    torch.manual_seed(0)
    table = torch.randn(64).double()

    def dense(x):
        return table[(x.long() * 2 ** torch.arange(6)).sum(1)]

    result = ci.AndInteraction(dense).interactions(torch.ones(1, 6).double())
    assert "the game is dense" in result.to_html(k=3)
    assert "the game is dense" not in explain("and").to_html()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": [2]}, "`example, output` must be an index"),
        ({"examples": []}, "`examples` must be at least one"),
        ({"output": (0,)}, "`example, output` must be an index"),
        ({"k": 0}, "`k` must be a positive integer"),
        ({"names": ["a"]}, "`names` must be 4 texts"),
    ],
)
def test_bad_requests(options, message):
    with pytest.raises(ValueError, match=message):
        explain("and").to_html(**options)


def test_a_large_page_is_small():
    text = explanation_page("A photo", [photo_with_everything()])
    assert len(text.encode()) < 1_000_000
    page = Page(text)
    assert len(page.named("path")) == 2 * 196 + 1  # outlines, areas, the lit ones
    listed = [b for b in page.named("button") if "data-players" in b]
    assert len(listed) == 40 + 200 + 196
    assert len(page.named("polygon")) == 6


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_has_nothing_to_say(width, tmp_path):
    path = tmp_path / "page.html"
    pages = {
        "photo": explanation_page("A photo", [photo_with_everything()]),
        "names": explain("tree").named(HOSTILE).to_html(title=EVIL),
    }
    for text in pages.values():
        path.write_text(text, encoding="utf-8")
        seen = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                f"--window-size={width},900",
                "--dump-dom",
                path.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert "CONSOLE" not in seen.stderr
        assert 'style="width' in seen.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
def test_a_click_lights_the_players_and_the_slider_adds_terms(tmp_path):
    """The page's own script, driven by one that its policy would not let in."""
    text = explain("and").to_html(examples=[0])
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)[0]
    drive = """<script>
      document.querySelector(".terms button").click();
      const slider = document.querySelector(".rebuilt input");
      slider.value = 1;
      slider.dispatchEvent(new Event("input"));
    </script>"""
    path = tmp_path / "page.html"
    path.write_text(
        text.replace(policy, "").replace("</body>", f"{drive}</body>"), encoding="utf-8"
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    seen = subprocess.run(
        [CHROMIUM, *options, path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    page = Page(seen)
    best = explain("and").top_k(40)[0][0]
    lit = {
        int(attrs["data-player"])
        for attrs in page.named("span")
        if attrs.get("class") == "lit"
    }
    assert lit == set(best.players)
    (pressed,) = [b for b in page.named("button") if b.get("aria-pressed") == "true"]
    assert float(pressed["data-value"]) == pytest.approx(best.value)
    (output,) = [data for tag, data in page.texts if tag == "output"]
    assert output == f"1 term: v = {best.value:.3g}"


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
def test_a_click_leaves_the_players_of_a_photo_undimmed(tmp_path):
    text = explanation_page("A photo", [photo_with_everything()])
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)[0]
    drive = '<script>document.querySelector(".terms button").click()</script>'
    path = tmp_path / "page.html"
    path.write_text(
        text.replace(policy, "").replace("</body>", f"{drive}</body>"), encoding="utf-8"
    )
    page = Page(browse(path, "--dump-dom").stdout)
    best = photo_with_everything().terms[0]
    (hole,) = [p["d"] for p in page.named("path") if "class" not in p]
    areas = {p["data-area"]: p["d"] for p in page.named("path") if "data-area" in p}
    assert hole == "".join(areas[str(player)] for player in best.players)
