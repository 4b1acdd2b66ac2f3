"""The loss along a line or over a plane through a model's weights.

A direction is a dictionary {name: tensor} over parameters (and buffers) of a model. One
that leads from one solution to another is direction_between(); a random one,
random_direction(), has to be scaled by filter_normalized() before two models can be
compared: a ReLU network computes the same if one layer is doubled and the next halved,
and a step of fixed length means something else to each.

Source: Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", section 4. As
in the code the authors published, biases and the weights of batch norm are left out of
normalised directions. Deviations: a filter of weight 0 gets the direction 0 without a
constant in the denominator; buffers never take part in a random direction.
"""

import math
from contextlib import contextmanager

import torch

from course_utils.curvature import check_batches
from course_utils.measure import evaluating, tensors_of, unchanged
from course_utils.steps import classification_sums

# Directions


def direction_between(first, second):
    """The direction from one state_dict to another: at position 1 it is the second.

    Holds all tensors of fractional numbers, running statistics included. Raises
    ValueError for states of different models. Used in chapter 03.
    """
    sizes = [
        {name: tensor.shape for name, tensor in s.items()} for s in (first, second)
    ]
    if sizes[0] != sizes[1]:
        different = sorted(name for name, _ in sizes[0].items() ^ sizes[1].items())
        raise ValueError(
            "the two states must be of the same kind of model, but differ in "
            f"{', '.join(dict.fromkeys(different))}"
        )
    return {
        name: second[name] - tensor
        for name, tensor in first.items()
        if tensor.is_floating_point()
    }


def random_direction(model, seed=0):
    """A standard normal number for each parameter; the same for each seed.

    Give it to filter_normalized(). Take another seed than the one that made the model:
    from the same stream of numbers a direction is like the weights. Used in chapter 03.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(parameter.shape, generator=generator).to(parameter)
        for name, parameter in model.named_parameters()
    }


@torch.no_grad()
def filter_normalized(direction, model):
    """The direction, each of its filters as long as the same filter of the model.

    A filter is what one index of a weight's first axis picks: the weights of one map or
    one neuron. Biases, the weights of batch norm and buffers get 0.
    Source: Li et al. 2018, section 4. Taught in chapter 03."""
    check_direction(direction, model)
    normalized = {}
    for name, weight in model.named_parameters():
        if weight.ndim < 2 or name not in direction:
            normalized[name] = torch.zeros_like(weight)
            continue
        filters = direction[name].flatten(1)  # [O, I], a row for each
        lengths = filters.norm(dim=1, keepdim=True)
        wanted = weight.flatten(1).norm(dim=1, keepdim=True)
        filters = filters * torch.where(lengths > 0, wanted / lengths, 0)
        normalized[name] = filters.view_as(weight)
    return normalized


# Losses


def loss_line(
    model, direction, batches, positions, prepare=None, measure=classification_sums
):
    """The mean loss and accuracy at weights + t * direction, for each t of positions.

    Returns a list of rows {"position": t, "loss": ..., "accuracy": ...}; a loss that is
    not finite stays in its row. The model is in evaluation mode meanwhile and has its
    weights back afterwards, also after an error.

    batches    pairs (images, labels), gone through once for each position: Batches, a
               DataLoader or a list such as [(images, labels)]
    prepare    called with the model before each measurement
    measure    the sums over a batch, as for evaluate()

    Running statistics that are in the direction move with the weights from t = 0 to 1;
    beyond, where a variance could become negative, they stay as at the nearer end.
    Between two solutions they are not those that the weights there would have; for
    these, prepare may compute them anew (torch.optim.swa_utils.update_bn).
    Raises ValueError for a direction that does not fit. Used in chapter 03.
    """
    check_batches(batches)
    with _moving(model, [direction]) as move:
        rows = []
        for position in _floats(positions):
            move([position])
            means = _means(model, batches, prepare, measure)
            rows.append({"position": position, **means})
    return rows


def loss_plane(
    model, directions, batches, positions, prepare=None, measure=classification_sums
):
    """The mean loss and accuracy at weights + s * first + t * second direction.

    Returns {"loss": [S, S], "accuracy": [S, S]}: row i is for s = positions[i], column
    j for t = positions[j]. Two random directions are almost at right angles. All else
    is as in loss_line(). Used in chapter 03.
    """
    check_batches(batches)
    if len(directions) != 2:
        raise ValueError(f"a plane takes two directions, got {len(directions)}")
    positions = _floats(positions)
    with _moving(model, directions) as move:
        found = []
        for place in ((s, t) for s in positions for t in positions):
            move(place)
            found.append(_means(model, batches, prepare, measure))
    size = len(positions), len(positions)
    return {
        name: torch.tensor([means[name] for means in found]).view(size)
        for name in found[0]
    }


@contextmanager
def _moving(model, directions):
    """Gives a function that puts the model at the positions along the directions."""
    for direction in directions:
        check_direction(direction, model)
    learned = {name for name, _ in model.named_parameters()}
    with evaluating(model), unchanged(model) as kept:

        def move(positions):
            for name, tensor in tensors_of(model).items():
                place = kept[name].clone()
                for position, direction in zip(positions, directions, strict=True):
                    if name not in learned:
                        position = min(max(position, 0.0), 1.0)
                    if name in direction:
                        place += position * direction[name]
                tensor.copy_(place)

        yield move


@torch.no_grad()
def _means(model, batches, prepare, measure):
    """The mean of each measured sum over the images of all batches."""
    if prepare is not None:
        prepare(model)
        model.eval()
    totals, count = {}, 0
    for images, labels in batches:
        for name, value in measure(model(images), labels).items():
            totals[name] = totals.get(name, 0.0) + float(value)
        count += len(labels)
    if count == 0:
        raise ValueError("there was no image in the batches; give at least one")
    return {name: total / count for name, total in totals.items()}


# What was wrong, and what to try


def check_direction(direction, model):
    """ValueError unless each tensor of direction fits one of the model's."""
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    for name, tensor in direction.items():
        if own.get(name) != tensor.shape:
            expected = list(own[name]) if name in own else "no such tensor"
            raise ValueError(
                f"the direction has {name} {list(tensor.shape)}, the model "
                f"{expected}; make it of this model, with direction_between() or "
                "random_direction()"
            )


def _floats(positions):
    positions = [float(position) for position in positions]
    if not positions or not all(map(math.isfinite, positions)):
        raise ValueError(
            f"positions must be finite numbers, at least one, got {positions}; try "
            "torch.linspace(-1, 1, 21)"
        )
    return positions
