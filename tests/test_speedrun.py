"""The speed run: its parts do what they are named for, and the whole runs.

How fast and how well it learns is not tested here: that is what it measures.
"""

import json
import re
import signal

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import speedrun
from course_utils.data import Batches, load_images
from course_utils.history import History
from course_utils.models.speednet import (
    SpeedNet,
    TwoViews,
    identity_convolution,
    patches_of,
    whitening_filters,
)
from course_utils.recipes import (
    RECIPES,
    AlternatingFlip,
    Lookahead,
    Recipe,
    make_step,
)
from course_utils.training import evaluate, fit

TINY = Recipe(epochs=2, widths=(4, 6, 8), batch_size=10)


def random_images(count=40, channels=1, side=14, seed=0):
    """Images whose neighbouring pixels are alike, as in photographs."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, channels, side + 2, side + 2, generator=generator)
    return F.avg_pool2d(noise, 3, stride=1) + 0.5


# Whitening


@pytest.mark.parametrize(("channels", "size"), [(1, 2), (1, 3), (3, 2)])
def test_patches_are_those_of_a_loop(channels, size):
    images = random_images(3, channels, 5)
    expected = [
        image[:, top : top + size, left : left + size].flatten()
        for image in images
        for top in range(5 - size + 1)
        for left in range(5 - size + 1)
    ]
    assert torch.equal(patches_of(images, size), torch.stack(expected))


@pytest.mark.parametrize(("channels", "size"), [(1, 2), (1, 3), (3, 2)])
def test_whitened_patches_have_the_identity_as_covariance(channels, size):
    images = random_images(200, channels)
    count = channels * size**2
    before = torch.cov(patches_of(images, size).T)
    assert (before - torch.eye(count)).abs().max() > 0.5
    filters = whitening_filters(images, size, epsilon=0)
    assert filters.shape == (2 * count, channels, size, size)
    outputs = F.conv2d(images, filters).transpose(0, 1).flatten(1)
    covariance = torch.cov(outputs[:count])
    assert (covariance - torch.eye(count)).abs().max() < 1e-3
    assert torch.equal(outputs[count:], -outputs[:count])


def test_epsilon_holds_back_directions_that_hardly_occur():
    flat = random_images(50).mean((2, 3), keepdim=True).expand(50, 1, 8, 8)
    filters = whitening_filters(flat, 2, epsilon=0.01)
    assert filters.abs().max() <= 10  # 1 / sqrt(0.01)
    assert filters.isfinite().all()


def test_the_first_layer_is_whitened_and_not_learned(make_images):
    model = SpeedNet(1, 3, TINY.widths, patch=3)
    images = random_images()
    model.whiten(images)
    filters = model.whitening.weight
    torch.testing.assert_close(filters, whitening_filters(images, 3), rtol=0, atol=0)
    before = filters.clone()
    batches = Batches(make_images(40, side=14), 10)
    fit(make_step(model, model, TINY, 8), batches, 2, progress=False)
    assert torch.equal(filters, before)
    assert not torch.equal(model.whitening.bias, torch.zeros_like(model.whitening.bias))


@pytest.mark.parametrize("size", [0, 9])
def test_a_patch_fits_into_the_images(size):
    with pytest.raises(ValueError, match=rf"{size} x {size} pixels .* images of 8 x 8"):
        whitening_filters(torch.zeros(2, 1, 8, 8), size)


# The network


@pytest.mark.parametrize(("data", "channels", "side"),
                         [("fashion-mnist", 1, 28), ("cifar10", 3, 32)])  # fmt: skip
def test_the_network_of_a_recipe(data, channels, side):
    recipe = RECIPES[data]
    with torch.device("meta"):
        model = SpeedNet(channels, 10, recipe.widths, recipe.patch)
        images = torch.empty(2, channels, side, side)
        maps = model.blocks(model.whitening(images))
        assert maps.shape == (2, 256, 3, 3)
        assert model(images).shape == (2, 10)
    first = 2 * channels * recipe.patch**2
    convolutions = 9 * (first * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    biases = first + 2 * (64 + 256 + 256)
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert learned == convolutions + biases + 256 * 10
    assert not SpeedNet(channels).whitening.bias.any()


@pytest.mark.parametrize(("c_in", "c_out"), [(3, 5), (5, 3), (4, 4)])
def test_a_convolution_begins_by_handing_on(c_in, c_out):
    images = torch.randn(2, c_in, 6, 6)
    shared = min(c_in, c_out)
    outputs = identity_convolution(c_in, c_out)(images)
    torch.testing.assert_close(outputs[:, :shared], images[:, :shared])
    if c_out > c_in:
        assert not torch.equal(outputs[:, c_in:], torch.zeros_like(outputs[:, c_in:]))


def test_everything_that_should_learns():
    model = SpeedNet(1, 3, TINY.widths)
    model(random_images()).logsumexp(1).sum().backward()
    for name, parameter in model.named_parameters():
        module = model.get_submodule(name.rpartition(".")[0])
        of_norm = isinstance(module, nn.BatchNorm2d) and name.endswith("weight")
        frozen = of_norm or name == "whitening.weight"
        assert (parameter.grad is None) == frozen, name
        assert frozen or parameter.grad.abs().sum() > 0, name


def test_weights_and_maps_are_channels_last():
    model = SpeedNet(3, 3, TINY.widths)
    seen = []
    model.blocks.register_forward_hook(lambda *call: seen.append(call[2]))
    model(random_images(channels=3))
    tensors = [*seen, *(p for p in model.parameters() if p.ndim == 4)]
    layout = torch.channels_last
    assert all(tensor.is_contiguous(memory_format=layout) for tensor in tensors)


# Test images from both sides


def test_both_views_are_the_mean_of_two(make_images):
    image_set = make_images(60, side=14, seed=1)
    torch.manual_seed(0)
    model = SpeedNet(1, 3, TINY.widths).eval()
    model.whiten(image_set.normalize(image_set.images))
    images = image_set.normalize(image_set.images)
    with torch.no_grad():
        left, right = model(images), model(images.flip(3))
    assert not torch.allclose(left, right)
    right_answers = ((left + right) / 2).argmax(1) == image_set.labels
    with torch.no_grad():
        torch.testing.assert_close(TwoViews(model)(images), (left + right) / 2)
    found = evaluate(TwoViews(model), Batches(image_set, 25))
    assert found["accuracy"] == pytest.approx(right_answers.double().mean().item())


# Alternating flip


def mirrored(image_set, seed, epochs=4):
    """Whether image i was mirrored in an epoch: bools [epochs, N]."""
    count = len(image_set)
    originals = image_set.normalize(image_set.images)
    image_set.labels = torch.arange(count)
    batches = AlternatingFlip(image_set, 16, shuffle=True, seed=seed)
    rows = torch.zeros(epochs, count, dtype=torch.bool)
    for row in rows:
        for images, places in batches:
            flips = (images == originals[places].flip(3)).all((1, 2, 3))
            same = (images == originals[places]).all((1, 2, 3))
            assert (flips ^ same).all()
            row[places] = flips
    return rows


def test_every_image_is_mirrored_in_every_other_epoch(make_images):
    rows = mirrored(make_images(100), seed=3)
    assert torch.equal(rows[0], ~rows[1])
    assert torch.equal(rows[0], rows[2]) and torch.equal(rows[1], rows[3])
    assert 30 <= rows[0].sum() <= 70
    assert not torch.equal(rows[0], mirrored(make_images(100), seed=4)[0])


def test_the_set_itself_is_left_as_it_was(make_images):
    image_set = make_images(20)
    before = image_set.images.clone()
    list(AlternatingFlip(image_set, 10))
    assert torch.equal(image_set.images, before)


# Optimizer, schedule, average


def test_biases_of_norms_learn_faster_and_decay_alike():
    model = SpeedNet(1, 3, TINY.widths)
    optimizer = make_step(model, model, TINY, 100).optimizer
    weights, biases = optimizer.param_groups
    assert {id(p) for p in biases["params"]} == {
        id(p) for name, p in model.blocks.named_parameters() if name.endswith("bias")
    }
    learned = {id(p) for p in model.parameters() if p.requires_grad}
    held = [id(p) for group in (weights, biases) for p in group["params"]]
    assert sorted(held) == sorted(learned)
    assert biases["initial_lr"] == 64 * weights["initial_lr"] == 64 * 1.5
    taken = [group["initial_lr"] * group["weight_decay"] for group in (weights, biases)]
    assert taken[0] == pytest.approx(taken[1])
    assert all(group["nesterov"] for group in optimizer.param_groups)


def test_a_step_has_the_parts_of_the_recipe():
    model = SpeedNet(1, 3, TINY.widths)
    step = make_step(model, model, TINY, 100)
    assert isinstance(step.average, Lookahead) and step.tested is model
    assert step.loss.label_smoothing == TINY.smoothing == 0.2


def test_the_learning_rate_rises_to_the_peak_and_ends_at_the_floor(make_images):
    recipe = Recipe(epochs=10, widths=TINY.widths, batch_size=10, peak_at=0.25)
    model = SpeedNet(1, 3, recipe.widths)
    batches = Batches(make_images(40, side=14), 10)
    step = make_step(model, model, recipe, 40)
    rates, factors = [], []

    class Noted:
        def __init__(self):
            self.model, self.measure = model, step.measure

        def __call__(self, images, labels):
            rates.append(step.optimizer.param_groups[0]["lr"])
            factors.append(step.optimizer.param_groups[1]["lr"] / rates[-1])
            return step(images, labels)

    fit(Noted(), batches, 10, progress=False)
    assert rates.index(max(rates)) == 10 and max(rates) == recipe.learning_rate
    assert all(factor == pytest.approx(64) for factor in factors)
    end = step.optimizer.param_groups[0]["lr"]
    assert end == pytest.approx(recipe.floor * recipe.learning_rate)
    assert rates[-1] > end and rates[0] < max(rates)


def test_lookahead_is_the_average_of_its_definition():
    model = nn.Linear(1, 1, bias=False)
    steps, every, decay = 23, 4, 0.9
    average = Lookahead(model, steps, every, decay)
    slow = fast = model.weight.item()
    for t in range(1, steps + 1):
        fast += t
        model.weight.data.add_(t)
        average.step()
        if t % every == 0:
            kept = decay**every * (t / steps) ** 3
            slow = fast = kept * slow + (1 - kept) * fast
        assert model.weight.item() == pytest.approx(slow if t == steps else fast)


def test_lookahead_goes_on_where_its_state_was_taken():
    def moved(average, model, steps):
        for t in steps:
            model.weight.data.add_(t)
            average.step()

    whole, part, rest = (nn.Linear(1, 1, bias=False) for _ in range(3))
    part.load_state_dict(whole.state_dict())
    moved(Lookahead(whole, 20), whole, range(20))
    first = Lookahead(part, 20)
    moved(first, part, range(7))
    rest.load_state_dict(part.state_dict())
    second = Lookahead(rest, 20)
    second.load_state_dict(first.state_dict())
    moved(second, rest, range(7, 20))
    assert torch.equal(rest.weight, whole.weight)


def test_lookahead_leaves_the_whitening_as_it_is(make_images):
    train = make_images(40, side=14)
    model = speedrun.make_model(train, TINY)
    speedrun.train_once(model, model, train, TINY, seed=0)
    images = train.normalize(train.images)
    expected = whitening_filters(images, TINY.patch)
    torch.testing.assert_close(model.whitening.weight, expected)


# The whole


def test_a_seed_repeats_and_begins_afresh(make_images):
    train = make_images(40, side=14)
    model = speedrun.make_model(train, TINY)

    def weights(seed):
        assert speedrun.train_once(model, model, train, TINY, seed) > 0
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    first, other, again = weights(0), weights(1), weights(0)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_each_seed_has_its_own_fresh_weights(make_images, monkeypatch):
    train = make_images(40, side=14)
    model = speedrun.make_model(train, TINY)
    monkeypatch.setattr(speedrun, "fit", lambda *given, progress: History())
    found = []
    for seed in (0, 0, 1):
        speedrun.train_once(model, model, train, TINY, seed)
        found.append(model.classifier.weight.clone())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_warming_up_takes_noise_that_is_treated_as_images_are(make_images):
    train = make_images(40, side=14)
    before = train.images.clone()
    seen = []
    model = speedrun.make_model(train, TINY)
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    speedrun.warm_up(model, model, train, TINY)
    assert torch.equal(train.images, before)
    assert [images.shape for images in seen] == 8 * [(10, 1, 14, 14)]  # two epochs
    images = torch.cat(seen)
    assert images.flatten(1).std(1).min() > 1.1  # 1.4 for noise, 0.3 for these images
    black = train.normalize(torch.zeros(1, 1, 1, 1, dtype=torch.uint8))
    shifted = (images[:, :, 0] == black[0, 0]).all((1, 2)).double().mean()
    assert 0.1 < shifted < 0.8  # 2 of the 5 places of RandomCrop(2)


def test_operations_are_counted():
    model = SpeedNet(1, 10, (4, 4, 4), patch=3)
    places = 9 * 26 * 26  # of the filters' weights in the first convolution's output
    blocks = 9 * 4 * (18 * 26**2 + 4 * (13**2 + 13**2 + 6**2 + 6**2 + 3**2))
    whole = 2 * (18 * places + 3 * (blocks + 4 * 10))
    assert speedrun.training_flops(model, (1, 28, 28)) == whole


def test_both_accuracies_are_those_of_the_test_images(monkeypatch):
    asked = []

    def answer(model, batches):
        asked.append(batches.image_set.images)
        return {"accuracy": 0.75 if isinstance(model, TwoViews) else 0.5}

    monkeypatch.setattr(speedrun, "evaluate", answer)
    recipe = Recipe(epochs=1, widths=(2, 2, 2), batch_size=20)
    result = speedrun.speed_run("fashion-mnist", recipe, 1, torch.device("cpu"),
                                limit=40, report=len)  # fmt: skip
    assert result["rows"][0]["accuracy"] == 0.5
    assert result["rows"][0]["both_views"] == 0.75
    test = load_images("fashion-mnist", "test", limit=40).images
    assert len(asked) == 2 and all(torch.equal(images, test) for images in asked)


def test_it_learns_from_real_images():
    recipe = Recipe(epochs=4, widths=(8, 16, 16), patch=3, batch_size=100, padding=1)
    lines = []
    result = speedrun.speed_run("fashion-mnist", recipe, 1, torch.device("cpu"),
                                limit=1000, report=lines.append)  # fmt: skip
    assert result["rows"][0]["accuracy"] > 0.3  # by chance: 0.1
    assert lines[0].startswith("epochs 4, images 4,000, PFLOP ") and len(lines) == 2


SMALL = ["--limit", "60", "--widths", "2", "2", "2", "--epochs", "1"]
SMALL += ["--batch-size", "30"]


def test_the_command_reports_every_seed_and_the_spread(tmp_path, capsys):
    file = tmp_path / "numbers.json"
    speedrun.main([*SMALL, "--seeds", "3", "--target", "1", "--json", str(file)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("fashion-mnist on cpu, torch 2.")
    assert [line[:6] for line in lines[2:5]] == ["seed 0", "seed 1", "seed 2"]
    result = json.loads(file.read_text(encoding="utf-8"))
    assert [row["seed"] for row in result["rows"]] == [0, 1, 2]
    for column, place in (("seconds", 0), ("accuracy", 1), ("both_views", 2)):
        values = torch.tensor([row[column] for row in result["rows"]]).double()
        factor = 1 if column == "seconds" else 100
        mean, spread = factor * values.mean(), factor * values.std()
        found = lines[5].replace("%", "s").split(" s")[place].split()
        assert found[-3:] == [f"{mean:.2f}", "±", f"{spread:.2f}"]
    assert "one view: not reached by the mean, and by 0 of 3" in lines[6]
    assert lines[7].startswith("100 % with both views: not reached")
    assert result["recipe"]["widths"] == [2, 2, 2] and result["flops"] > 0
    assert result["environment"]["device"] == "cpu"


def test_an_interrupt_stops_all_seeds(monkeypatch, capsys):
    begun = []

    class Interrupted(AlternatingFlip):
        def __iter__(self):
            begun.append(self)
            if len(begun) == 4:  # two epochs of warming up, one of the first seed
                signal.raise_signal(signal.SIGINT)
            return super().__iter__()

    monkeypatch.setattr(speedrun, "AlternatingFlip", Interrupted)
    with pytest.raises(SystemExit) as error:
        speedrun.main([*SMALL, "--seeds", "9"])
    assert error.value.code == 130 and len(begun) == 4
    printed = capsys.readouterr()
    assert printed.err == "speedrun: stopped\n"
    assert "seed 0" in printed.out and "seed 1" not in printed.out


def test_the_verdict_counts_each_view_by_itself():
    pairs = [(0.93, 0.94), (0.95, 0.96)]
    rows = [{"accuracy": one, "both_views": both} for one, both in pairs]
    one, both = speedrun.verdict(rows, 0.945).splitlines()
    assert "94.5 % with one view: not reached by the mean, and by 1 of 2" in one
    assert "both views: reached by the mean, and by 1 of 2" in both


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "imagenet"], "invalid choice: 'imagenet'"),
        (["--seeds", "0"], "--seeds: expected a whole number from 1, got 0"),
        (["--epochs", "1.5"], "--epochs: expected a whole number from 1, got 1.5"),
        (["--target", "94"], "--target is a share above 0, at most 1, got 94.0"),
        (["--device", "abacus"], "device 'abacus' cannot be used here"),
        ([*SMALL, "--batch-size", "7"], "60 training images .* whole batches of 7;"),
        (["--widths", "8"], "--widths: expected 3 arguments"),
        (["--json", "no/such/folder.json"], "folder.json lies in no folder; make it"),
    ],
)
def test_bad_arguments_are_answered_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        speedrun.main(arguments)
    assert error.value.code == 2
    text = capsys.readouterr().err
    assert text.startswith("speedrun: ") and text.count("\n") == 1
    assert re.search(message, text), text


def test_recipes_have_whole_batches():
    for data, count in (("fashion-mnist", 60_000), ("cifar10", 50_000)):
        size = RECIPES[data].batch_size
        assert count % size == 0 and size % 8 == 0  # tensor cores work on 8 at a time
