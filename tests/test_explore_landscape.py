"""The landscape: arithmetic against course_utils and autograd, words, keys."""

import base64
import functools
import io
import itertools
import json
import math

import numpy as np
import pytest
import test_explore
import torch
from browser import open_page
from deck_faults import accessibility_faults, deck_faults
from PIL import Image
from shown_widgets import NEXT_FRAME, is_too_wide, widget_deck

from course_utils import optimizers
from course_utils.explorables import landscape_numbers
from course_utils.explorables.landscape import OPTIMIZERS, RANGES, SURFACES
from course_utils.explorables.landscape_numbers import Surface, follow, stable_rate
from course_utils.explore import Landscape
from course_utils.plots import COLORS

node = test_explore.node  # the fixture
SHAPES = [
    ("bowl", 10, 0), ("bowl", 37.5, 25), ("bowl", 1, -60), ("ravine", 10, 0),
    ("ravine", 55, 0), ("saddle", 4, 0), ("steep", 20, 0), ("steep", 3, 0),
]  # fmt: skip
JOINER = "\u2060"  # keeps a fraction on one line
POINTS = np.random.default_rng(0).uniform(-2.5, 2.5, (12, 2)).tolist()


def as_script_data(name, steepness, angle):
    return {"name": name, "steepness": steepness, "angle": angle}


def torch_loss(name, k, angle):
    """The loss as a function of a tensor [2], written down once more."""

    def loss(point):
        x, y = point
        if name == "bowl":
            turn = torch.tensor(math.radians(angle), dtype=torch.float64)
            cos, sin = turn.cos(), turn.sin()
            axes = torch.stack([torch.stack([cos, sin]), torch.stack([-sin, cos])])
            long, short = axes @ point
            return 0.5 * long**2 + 0.5 * k * short**2
        if name == "ravine":
            return 0.5 * (1 - x) ** 2 + 0.5 * k * (y - x**2) ** 2
        if name == "saddle":
            return 0.5 * k * x**2 + 0.25 * (y**2 - 1) ** 2
        return 0.5 * torch.log(1 + k * (x**2 + 3 * y**2))

    return loss


def by_autograd(shape, point):
    """Loss, gradient and largest eigenvalue of the Hessian at a point."""
    loss = torch_loss(*shape)
    x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(x), x)
    hessian = torch.autograd.functional.hessian(loss, x)
    largest = torch.linalg.eigvalsh(hessian).max().item()
    return [loss(x).item(), *gradient.tolist(), largest]


LOOK = """
    return data.shapes.map((shape) => {
      const s = m.surfaceOf(shape);
      return data.points.map((p) => [s.loss(p), ...s.gradient(p), s.steepest(p)]);
    });
"""


def compare_surfaces(node, script):
    data = {"shapes": [as_script_data(*shape) for shape in SHAPES], "points": POINTS}
    for shape, found in zip(SHAPES, node(script, LOOK, data), strict=True):
        expected = [by_autograd(shape, point) for point in POINTS]
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_losses_gradients_and_curvatures_equal_autograd(node):
    compare_surfaces(node, Landscape._esm)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_those_of_the_still_do_too(shape):
    surface = Surface(*shape)
    for point in POINTS:
        own = [
            surface.loss(*point), *surface.gradient(*point), surface.steepest(*point)
        ]  # fmt: skip
        assert own == pytest.approx(by_autograd(shape, point), rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("name", SURFACES)
def test_the_minima_are_minima_and_lie_on_the_map(name):
    left, right, bottom, top = SURFACES[name]["view"]
    assert (right - left) / (top - bottom) == pytest.approx(1.5)  # the map is 3 by 2
    surface = Surface(name, SURFACES[name]["steepness"])
    for x, y in SURFACES[name]["minima"]:
        assert left < x < right and bottom < y < top
        assert surface.gradient(x, y) == (0, 0) and surface.loss(x, y) == 0
        a, b, c = surface._hessian(x, y)
        assert a > 0 and a * c - b * b > 0


# The optimizers


def course_optimizer(run, p):
    """The optimizer of course_utils.optimizers with the settings of a widget's run."""
    options = {"lr": run["eta"]}
    if "mu" in run:
        options["momentum"] = run["mu"]
    if "rho" in run:
        options["alpha" if run["name"] == "RMSprop" else "rho"] = run["rho"]
    if "beta1" in run:
        options["betas"] = run["beta1"], run["beta2"]
    if "eps" in run:
        options["eps"] = run["eps"]
    if "decay" in run:
        options["weight_decay"] = run["decay"]
    return getattr(optimizers, run["name"])([p], **options)


def course_path(shape, run, start, noise, seed, count):
    """The points of a path, by course_utils.optimizers and autograd."""
    p = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer, loss = course_optimizer(run, p), torch_loss(*shape)
    points = [start]
    for t in range(1, count + 1):
        optimizer.zero_grad()
        loss(p).backward()
        random = landscape_numbers.noise_of(seed, t)
        p.grad += noise * torch.tensor(random, dtype=torch.float64)
        optimizer.step()
        points.append(p.tolist())
    return points


VARIED = {
    "mu": (0.5, 0.95), "rho": (0.5, 0.95), "beta1": (0.0, 0.8), "beta2": (0.9, 0.99),
    "eps": (1e-3, 1e-7), "decay": (0.0, 0.3),
}  # fmt: skip


def runs_of(name):
    """An optimizer with its usual settings, and with two others of each."""
    usual = {"name": name, **OPTIMIZERS[name]}
    yield usual
    for k in range(2):
        others = {key: VARIED[key][k] for key in usual if key in VARIED}
        yield {**usual, **others, "eta": usual["eta"] * (0.3, 0.6)[k]}


# Smaller rates where a path that bounces would multiply a difference in the last digit.
PLACES = [(("bowl", 10, 30), 0, 1), (("ravine", 10, 0), 0, 0.2),
          (("saddle", 4, 0), 0.1, 1), (("steep", 5, 0), 0, 1)]  # fmt: skip
CASES = [
    {"shape": shape, "run": {**run, "eta": part * run["eta"]},
     "start": SURFACES[shape[0]]["start"], "noise": noise, "seed": 5, "count": 100}
    for shape, noise, part in PLACES
    for name in OPTIMIZERS
    for run in runs_of(name)
]  # fmt: skip
WALK = """
    return data.map(({ shape, run, start, noise, seed, count }) => {
      const [name, steepness, angle] = shape;
      return m.follow({ name, steepness, angle }, run, { start, noise, seed }, count);
    });
"""


@functools.cache
def course_paths():
    return [course_path(**case) for case in CASES]


def compare_paths(node, script):
    walked = zip(CASES, course_paths(), node(script, WALK, CASES), strict=True)
    for case, expected, found in walked:
        np.testing.assert_allclose(
            found["points"], expected, rtol=1e-9, atol=1e-12, err_msg=str(case)
        )
        loss = torch_loss(*case["shape"])
        losses = [loss(torch.tensor(p, dtype=torch.float64)).item() for p in expected]
        np.testing.assert_allclose(found["losses"], losses, rtol=1e-8, atol=1e-12)
        assert found["exploded"] is None


STEP_BY_STEP = """
    return data.map(({ run, gradients, start }) => {
      const state = { v: 0, m: 0, s: 0, d: 0 };
      let p = start;
      return gradients.map((g, k) => {
        p -= m.RULES[run.name](g, state, run, k + 1, p);
        return p;
      });
    });
"""


def given_gradients():
    """A hundred gradients of all sizes, some 0, and every optimizer and setting."""
    generator = np.random.default_rng(1)
    gradients = generator.normal(0, 1, 100) * 10 ** generator.uniform(-3, 2, 100)
    gradients *= generator.random(100) < 0.8
    return [
        {"run": run, "gradients": gradients.tolist(), "start": 0.7}
        for name in OPTIMIZERS
        for run in runs_of(name)
    ]


def compare_steps(node, script):
    data = given_gradients()
    for case, found in zip(data, node(script, STEP_BY_STEP, data), strict=True):
        p = torch.nn.Parameter(torch.tensor(case["start"], dtype=torch.float64))
        optimizer = course_optimizer(case["run"], p)
        state, own = dict.fromkeys("vmsd", 0.0), case["start"]
        for t, g in enumerate(case["gradients"], start=1):
            p.grad = torch.tensor(g, dtype=torch.float64)
            optimizer.step()
            own -= landscape_numbers.move(case["run"], g, state, t, own)
            expected = pytest.approx(p.item(), rel=1e-9, abs=1e-12)
            assert found[t - 1] == expected and own == expected, (case["run"], t)


def test_each_of_a_hundred_steps_with_given_gradients_equals_course_utils(node):
    compare_steps(node, Landscape._esm)


def test_a_hundred_steps_of_each_optimizer_equal_course_utils(node):
    assert {case["run"]["name"] for case in CASES} == set(OPTIMIZERS)
    compare_paths(node, Landscape._esm)


def test_a_hundred_steps_of_the_still_do_too():
    for case, expected in zip(CASES, course_paths(), strict=True):
        surface = Surface(*case["shape"])
        options = [case[name] for name in ("run", "start", "noise", "seed", "count")]
        path = follow(surface, *options)
        np.testing.assert_allclose(path.points, expected, rtol=1e-9, atol=1e-12)
        assert path.losses == pytest.approx([surface.loss(*p) for p in expected])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("return eta * s.v;", "return s.v;"),
        ("return eta * (mu * s.v + g);", "return eta * mu * s.v;"),
        ("s.s += g * g;", "s.s = g * g;"),
        ("Math.sqrt(s.d + eps) / Math.sqrt(s.s + eps)", "Math.sqrt(s.d + eps)"),
        ("eta * s.m / (1 - beta1 ** t)", "eta * s.m"),
        ("settings.eta * settings.decay * p", "settings.decay * p"),
        ("noise * random[axis]", "noise * random[0]"),
        ("Math.hypot((a - c) / 2, b)", "Math.hypot(a - c, b)"),
        ("- 2 * k * x * (y - x * x)", "- k * x * (y - x * x)"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert Landscape._esm.count(right) == 1
    script = Landscape._esm.replace(right, wrong)
    with pytest.raises(AssertionError):
        compare_steps(node, script)
        compare_paths(node, script)
        compare_surfaces(node, script)


# Limits, noise, explosions


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Nesterov"])
@pytest.mark.parametrize("mu", [0.3, 0.9])
def test_the_predicted_limit_is_where_paths_begin_to_explode(name, mu):
    surface = Surface("bowl", 25, 40)
    run = {"name": name, "mu": mu}
    limit = stable_rate(run, surface.steepest(0.3, -0.7))
    assert limit < 2 * (1 + mu) / 25 + 1e-12
    below, above = (
        follow(surface, {**run, "eta": part * limit}, [-2, 1], 0, 0, 3000)
        for part in (0.98, 1.02)
    )
    assert below.exploded is None and below.losses[-1] < 1e-6
    assert above.exploded is not None


def test_limits_are_the_same_in_the_browser_and_absent_where_there_are_none(node):
    data = [
        {"run": {"name": name, **settings}, "curvature": curvature}
        for name, settings in OPTIMIZERS.items()
        for curvature in (10, 0.25, 0, -3)
    ]
    body = """
        return data.map(({ run, curvature }) => {
          const rate = m.stableRate(run, curvature);
          return rate === Infinity ? "inf" : rate;
        });
    """
    found = node(Landscape._esm, body, data)
    own = [stable_rate(one["run"], one["curvature"]) for one in data]
    assert found == ["inf" if rate == math.inf else rate for rate in own]
    assert own[:4] == [0.2, 8, math.inf, math.inf] and own[-4:] == [None] * 4


def test_noise_is_normal_and_the_same_again_in_both_languages(node):
    pairs = list(itertools.product((0, 1, 2**31 - 1), range(1, 200)))
    found = node(Landscape._esm, "return data.map((p) => m.noiseOf(...p));", pairs)
    own = [landscape_numbers.noise_of(*pair) for pair in pairs]
    np.testing.assert_allclose(found, own, rtol=1e-12, atol=1e-15)
    drawn = np.array([landscape_numbers.noise_of(3, t) for t in range(1, 20_001)])
    assert np.abs(drawn.mean(axis=0)).max() < 0.03
    assert np.abs(drawn.std(axis=0) - 1).max() < 0.03
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.03
    other = np.array([landscape_numbers.noise_of(4, t) for t in range(1, 20_001)])
    assert abs(np.corrcoef(drawn[:, 0], other[:, 0])[0, 1]) < 0.03


@pytest.mark.parametrize("name", SURFACES)
def test_paths_that_explode_end_before_and_hold_finite_numbers(node, name):
    place = SURFACES[name]
    cases = [
        {"shape": [name, 100, 20], "run": {"name": kind, **settings, "eta": 10},
         "start": place["start"], "noise": 3, "seed": 1, "count": 400}
        for kind, settings in OPTIMIZERS.items()
    ]  # fmt: skip
    found = node(Landscape._esm, WALK, cases)
    exploded = set()
    for case, path in zip(cases, found, strict=True):
        own = follow(Surface(*case["shape"]), case["run"], place["start"], 3, 1, 400)
        assert path["exploded"] == own.exploded
        assert np.isfinite(path["points"]).all() and np.isfinite(path["losses"]).all()
        length = 401 if own.exploded is None else own.exploded
        assert len(path["points"]) == len(own.points) == len(own.losses) == length
        exploded |= {case["run"]["name"]} if own.exploded else set()
    assert exploded or name == "steep"
    assert name != "bowl" or {"SGD", "Momentum", "Nesterov"} <= exploded


def sentence(node, surface, run, count=40, start=(-2, 1)):
    """What the browser says of the rate, in one surface of steepness 10."""
    data = {"surface": as_script_data(surface, 10, 0), "run": run,
            "start": list(start), "count": count}  # fmt: skip
    body = """
        const options = { start: data.start, noise: 0, seed: 0 };
        const path = m.follow(data.surface, data.run, options, data.count);
        const curvature = m.surfaceOf(data.surface).steepest(path.points.at(-1));
        const limit = m.stableRate(data.run, curvature);
        const same = data.surface.name === "bowl";
        return m.limitSentence(data.run, limit, curvature, path, same);
    """
    return node(Landscape._esm, body, data).replace(JOINER, "")


SENTENCES = [
    ("bowl", {"name": "SGD", "eta": 0.08}, 40,
     "η = 0.08 is below 2/λmax = 0.2: stable."),
    ("bowl", {"name": "SGD", "eta": 0.05}, 40,
     "η = 0.05 is below 2/λmax = 0.2: stable."),
    ("bowl", {"name": "SGD", "eta": 0.15}, 40,
     "η = 0.15 is below 2/λmax = 0.2 and above half of it: the path zig-zags."),
    ("bowl", {"name": "SGD", "eta": 0.21}, 9,
     "η = 0.21 is above 2/λmax = 0.2: the path explodes."),
    ("bowl", {"name": "SGD", "eta": 0.21}, 400,
     "SGD has exploded in step 73: η = 0.21 is above 2/λmax = 0.2, so every step "
     "across lands farther away."),
    ("bowl", {"name": "Momentum", "eta": 0.1, "mu": 0.5}, 40,
     "η = 0.1 is below 2(1 + μ)/λmax = 0.3: stable."),
    ("bowl", {"name": "Nesterov", "eta": 0.2, "mu": 0.5}, 1,
     "η = 0.2 is above 2(1 + μ)/((1 + 2μ) λmax) = 0.15: the path explodes."),
    ("steep", {"name": "SGD", "eta": 0.001}, 1,
     "Where the path is now, η = 0.001 is below 2/λmax = 7.53: stable here."),
    ("ravine", {"name": "SGD", "eta": 0.05}, 0,
     "Where the path is now, η = 0.05 is above 2/λmax = 0.00876: steps across it grow "
     "until the ground gets flatter."),
    ("bowl", {"name": "Adam", **OPTIMIZERS["Adam"]}, 40,
     "Adam divides by the size of its gradients, so no fixed limit such as 2/λmax "
     "applies."),
]  # fmt: skip


@pytest.mark.parametrize(("surface", "run", "count", "expected"), SENTENCES)
def test_the_rate_is_compared_with_the_limit_in_words(
    node, surface, run, count, expected
):
    assert sentence(node, surface, run, count) == expected


# The class


def test_the_usual_settings_are_completed():
    shown = Landscape("ravine", ["Momentum", ("Adam", {"beta1": 0.5})], eta=0.03)
    assert shown.optimizers == [
        {"name": "Momentum", "eta": 0.03, "mu": 0.9},
        {"name": "Adam", "eta": 0.03, "beta1": 0.5, "beta2": 0.999, "eps": 1e-8},
    ]
    assert shown.choose and not Landscape().choose
    assert Landscape(choose=True).choose
    assert shown.start == SURFACES["ravine"]["start"]
    assert Landscape(optimizers="Adam").optimizers[0]["name"] == "Adam"
    assert Landscape("saddle", start=(1, -0.5)).start == [1.0, -0.5]


def test_paths_and_limits_are_those_of_the_settings_now():
    shown = Landscape(eta=0.19, steps=30)
    assert shown.limits == [0.2] and len(shown.paths[0].points) == 31
    shown.steps, shown.steepness = 200, 20
    assert shown.limits == [0.1] and shown.paths[0].exploded
    assert Landscape("ravine", ["SGD", "Adam"]).limits[1] is None


def test_every_setting_has_a_range_that_holds_its_usual_value():
    for settings in OPTIMIZERS.values():
        for name, value in settings.items():
            low, high = RANGES[name]
            assert low <= value <= high
    assert COLORS.keys() >= OPTIMIZERS.keys()


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("pair", [["SGD"], ["Momentum", "Adam"], ["SGD", "SGD"]])
def test_the_still_is_small_described_and_stable(surface, pair):
    shown = [Landscape(surface, pair, noise=0.1, steps=100) for _ in range(2)]
    (data, metadata), (again, _) = map(test_explore.bundle_of, shown)
    assert data["image/png"] == again["image/png"]
    assert data["text/plain"] == metadata["image/png"]["alt"] == shown[0].alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width > 1000 and len(data["image/png"]) < 100_000


def test_the_still_says_the_rate_the_limit_and_what_exploded():
    def texts(**options):
        return [text.get_text() for text in Landscape(**options).picture().texts]

    assert texts(eta=0.05) == ["SGD, η = 0.05", "below the limit here, 0.2"]
    assert texts(eta=0.21, steps=3)[1] == "above the limit here, 0.2"
    assert texts(eta=0.25, steps=400)[1].startswith("explodes in step ")
    two = texts(surface="saddle", optimizers=("SGD", "Adam"), start=(0, 0), steps=0)
    assert two[3] == "rescales its steps: no limit 2/λmax"
    flat = texts(surface="steep", start=(2.9, 0), steepness=1, steps=0, eta=0.1)
    assert flat[1].startswith("below the limit here")


def test_the_saved_state_is_small():
    state = Landscape("ravine", ["Adam", "AdamW"]).get_state()
    del state["layout"]
    assert len(json.dumps(state)) < 100_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"surface": "hill"}, "surface must be one of bowl, ravine, .* got 'hill'"),
        ({"optimizers": []}, "one name or two, got 0"),
        ({"optimizers": ["SGD"] * 3}, "one name or two, got 3; for more, draw a"),
        ({"optimizers": ["Lion"]}, "must be one of SGD, .* got 'Lion'"),
        ({"optimizers": [("SGD", {"mu": 0.5})]}, "SGD has the settings eta, got mu"),
        ({"eta": 0}, r"eta must be from 0.0001 to 10, got 0"),
        ({"eta": float("nan")}, "eta must be from .* got nan"),
        ({"optimizers": [("Momentum", {"mu": 1})]}, "mu must be .* 0.999, got 1"),
        ({"steepness": 0.5}, "steepness must be from 1 to 100, got 0.5"),
        ({"angle": 91}, "angle must be from -90 to 90"),
        ({"noise": -1}, "noise must be from 0 to 5, got -1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"steps": 401}, "steps must be a whole number from 0 to 400, got 401"),
        ({"steps": 1.5}, "got 1.5"),
        ({"steps": True}, "steps must be a whole number from 0 to 400, got True"),
        ({"start": (4, 0)}, r"x from -3 to 3 and y from -2 to 2, got \[4, 0\]"),
        ({"start": (0, float("nan"))}, "start must lie on the map"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Landscape(**arguments)


# Viénot's and Machado's simulations agree on what matters here; these are Machado et
# al. 2009, "A physiologically-based model", severity 1.
SEEN_BY = {
    "all": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722],
                [0.0193, 0.1192, 0.9503]])  # fmt: skip


def lab(colour, seen):
    """A colour as someone sees it, in CIELAB, where distances are about those seen."""
    value = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.array(seen) @ linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("who", SEEN_BY)
def test_the_colours_of_the_optimizers_can_be_told_apart(who):
    seen = {name: lab(COLORS[name], SEEN_BY[who]) for name in OPTIMIZERS}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)


# In the browser


def said(page, root, number=0):
    """The sentence about an optimizer's rate, and where the paths are."""
    page.evaluate(NEXT_FRAME)
    rates = root.locator(".course-landscape-say:not([aria-hidden])")
    places = root.locator(".course-landscape-places").inner_text()
    return rates.nth(number).inner_text().replace(JOINER, ""), places


@pytest.mark.browser
@pytest.mark.parametrize(
    ("surface", "pair"), [("bowl", ["SGD"]), ("ravine", ["Adam", "AdamW"])]
)
def test_a_slide_with_the_landscape_has_no_fault(browser, tmp_path, surface, pair):
    deck = widget_deck(Landscape(surface, pair, steps=100), tmp_path)
    with open_page(browser) as visit:
        assert deck_faults(visit, deck, math=False) == []


@pytest.mark.browser
def test_a_rate_above_the_limit_is_marked_said_and_never_not_a_number(shown):
    page, root = shown(Landscape(eta=0.19))
    rate = root.get_by_label("learning rate η")
    assert said(page, root)[0].startswith(
        "η = 0.19 is below 2/λmax = 0.2 and above half"
    )
    mark = root.locator(".course-landscape-limit:visible")
    track, line = rate.bounding_box(), mark.bounding_box()
    rate.focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        if "above 2/λmax" in said(page, root)[0]:
            break
    part = float(rate.input_value()) - float(rate.get_attribute("min"))
    part /= float(rate.get_attribute("max")) - float(rate.get_attribute("min"))
    knob = track["x"] + part * track["width"]
    assert abs(line["x"] + line["width"] / 2 - knob) < 0.03 * track["width"]
    assert said(page, root)[0].endswith("= 0.2: the path explodes.")
    page.keyboard.press("End")
    rates, places = said(page, root)
    assert rates.startswith("SGD has exploded in step ") and "outside" in places
    assert "before it exploded: loss " in places
    assert "NaN" not in root.inner_text() and "not a number" not in root.inner_text()
    assert "NaN" not in root.inner_html()


TAKES = """
    (node, key) => {
      const options = { key, bubbles: true, cancelable: true };
      return !node.dispatchEvent(new KeyboardEvent("keydown", options));
    }
"""  # whether it keeps a key from scrolling the page


@pytest.mark.browser
def test_the_start_moves_with_pointer_and_arrow_keys_and_the_slide_stays(shown):
    page, root = shown(Landscape(steps=0))
    pick = root.get_by_role("button", name="the start of the path")
    box = pick.bounding_box()

    def loss(x, y):
        value = Surface("bowl", 10).loss(x, y)
        return f"SGD after 0 steps: loss {value:.3g}."

    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.down()
    assert abs(spoken(said(page, root)[1]) - Surface("bowl", 10).loss(0, 1)) < 0.1
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    assert abs(spoken(said(page, root)[1]) - Surface("bowl", 10).loss(-1, 0)) < 0.05
    page.mouse.move(box["x"] - 500, box["y"] - 500)
    assert said(page, root)[1] == loss(-3, 2)
    page.mouse.up()
    pick.focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowDown", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert pick.evaluate(TAKES, "ArrowUp") and not pick.evaluate(TAKES, "Tab")
    x, y = -3 + 0.11 * 6, 2 - 0.08 * 4
    assert spoken(said(page, root)[1]) == pytest.approx(
        Surface("bowl", 10).loss(x, y), rel=0.01
    )
    assert root.is_visible()


def spoken(places):
    """The loss in the sentence about where a path is."""
    return float(places.split("loss ")[1].rstrip(".").replace("−", "-"))


@pytest.mark.browser
def test_steps_are_taken_played_and_taken_back(shown):
    page, root = shown(Landscape(steps=0))
    press = lambda name: root.get_by_role("button", name=name).click()  # noqa: E731
    surface = Surface("bowl", 10)
    run = {"name": "SGD", "eta": 0.05}
    path = follow(surface, run, SURFACES["bowl"]["start"], 0, 0, 3)
    for k in (1, 2, 3):
        press("Step")
        unit = "step" if k == 1 else "steps"
        assert (
            said(page, root)[1] == f"SGD after {k} {unit}: loss {path.losses[k]:.3g}."
        )
    press("Play")
    page.wait_for_function("document.body.innerText.includes('after 6 steps')")
    press("Pause")
    steps = said(page, root)[1]
    page.wait_for_timeout(300)
    assert said(page, root)[1] == steps
    press("Start over")
    assert said(page, root)[1].startswith("SGD after 0 steps")
    root.get_by_label("learning rate η").fill("-1")
    root.get_by_label("landscape").select_option("saddle")
    press("Reset")
    assert "η = 0.05 is below 2/λmax = 0.2" in said(page, root)[0]


@pytest.mark.browser
def test_each_optimizer_has_its_own_sliders_and_words(shown):
    page, root = shown(Landscape("ravine", ["SGD", "SGD"], steps=20))
    assert accessibility_faults(page) == []
    labels = {"mu": "momentum μ", "rho": "memory ρ", "beta1": "β₁", "beta2": "β₂",
              "eps": "ε", "decay": "decay λ", "eta": "learning rate η"}  # fmt: skip
    second = root.get_by_role("group", name="second optimizer")
    choice = root.get_by_label("second optimizer", exact=True).locator("select")
    for name, settings in OPTIMIZERS.items():
        choice.select_option(name)
        rate, places = said(page, root, 1)
        there = {
            key
            for key, label in labels.items()
            if second.get_by_label(label).is_visible()
        }
        assert there == settings.keys()
        marks = (" (solid)", " (dashed)") if name == "SGD" else ("", "")
        assert places.startswith(f"SGD{marks[0]} after 20 steps")
        assert f". {name}{marks[1]} after 20 steps" in places
        free = f"{name} divides by the size of its gradients"
        assert rate.startswith(free) == (stable_rate({"name": name}, 1.0) is None)
        place = SURFACES["ravine"]
        run = {"name": name, **settings}
        path = follow(Surface("ravine", 10), run, place["start"], 0, 0, 20)
        last = places.split(". ")[1]
        assert spoken(last) == pytest.approx(path.losses[-1], rel=6e-3)
    assert accessibility_faults(page) == []


@pytest.mark.browser
def test_new_noise_gives_another_path_and_reset_the_first(shown):
    page, root = shown(Landscape(noise=1.0, steps=30, seed=7))
    first = said(page, root)[1]
    root.get_by_role("button", name="New noise").click()
    other = said(page, root)[1]
    assert other != first
    path = follow(
        Surface("bowl", 10), {"name": "SGD", "eta": 0.05}, [-2.4, 0.9], 1.0, 8, 30
    )
    assert spoken(other) == pytest.approx(path.losses[-1], rel=6e-3)
    root.get_by_role("button", name="Reset").click()
    assert said(page, root)[1] == first
    root.get_by_label("gradient noise").fill("0")
    page.evaluate(NEXT_FRAME)
    assert root.get_by_role("button", name="New noise").is_disabled()


@pytest.mark.browser
@pytest.mark.parametrize("width", [380, 600, 800, 880, 1120])
def test_nothing_is_wider_than_its_place(shown, width):
    _, root = shown(Landscape("bowl", ["Nesterov", "AdamW"], angle=-85, eta=0.123))
    for surface in SURFACES:
        root.get_by_label("landscape").select_option(surface)
        assert not is_too_wide(root, width), surface


@pytest.mark.browser
def test_a_drag_never_moves_the_map(shown):
    """The deck fits a widget to its slide: another height would shift everything."""
    page, root = shown(Landscape("ravine", ["SGD", "Nesterov"], eta=0.02))
    before = root.bounding_box()
    for value in ("-3", "-1", "1"):
        for slider in root.get_by_label("learning rate η").all():
            slider.fill(value)
            page.evaluate(NEXT_FRAME)
            assert root.bounding_box() == before
