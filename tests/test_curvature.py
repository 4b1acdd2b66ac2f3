"""Hessian products and the largest eigenvalue against the Hessian written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from course_utils.curvature import (
    NotConverged,
    hessian_vector_product,
    largest_eigenvalue,
    loss_hessian,
    random_vector,
)
from course_utils.data import Batches

double = torch.float64


def random(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, generator=generator, dtype=double)


def small_net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 3),
    ).double()  # fmt: skip


def small_problem(count=20):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(3, (count,), generator=generator)
    return random(count, 1, 6, 6, seed=2), labels


def exact_hessian(model, images, labels, loss=F.cross_entropy):
    """All P² second derivatives, one row after the other, by torch."""
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    parameters = [dict(model.named_parameters())[name] for name in names]
    sizes = [p.shape for p in parameters]

    def of(vector):
        parts = vector.split([size.numel() for size in sizes])
        tensors = [part.view(size) for part, size in zip(parts, sizes, strict=True)]
        replaced = dict(zip(names, tensors, strict=True))
        return loss(functional_call(model, replaced, (images,)), labels)

    model.eval()
    return torch.autograd.functional.hessian(
        of, parameters_to_vector(parameters).detach()
    )


def pieces(images, labels, size):
    pairs = zip(images.split(size), labels.split(size), strict=True)
    return [(some, wanted) for some, wanted in pairs]


def matrix_of(eigenvalues, seed=0):
    """A symmetric matrix with these eigenvalues, in directions of its own."""
    directions = torch.linalg.qr(random(len(eigenvalues), len(eigenvalues), seed=seed))
    return (
        directions.Q
        @ torch.diag(torch.tensor(eigenvalues).to(double))
        @ (directions.Q.T)
    )


def test_a_product_by_hand():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    loss = x[0] ** 2 * x[1]  # Hessian: [[2 y, 2 x], [2 x, 0]] = [[6, 4], [4, 0]]
    product = hessian_vector_product(loss, [x], torch.tensor([1.0, 10.0]))
    assert product.tolist() == [46.0, 4.0]


def test_products_equal_the_hessian_written_out():
    model, (images, labels) = small_net(), small_problem()
    exact = exact_hessian(model, images, labels)
    vector = random(len(exact), seed=3)
    loss = F.cross_entropy(model(images), labels)
    parameters = model.parameters()  # a generator is enough
    product = hessian_vector_product(loss, parameters, vector)
    assert torch.allclose(product, exact @ vector, rtol=0, atol=1e-12)
    assert not product.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_parameters_that_do_not_matter_count_as_flat():
    used, unused, linear = (random(n, seed=n).requires_grad_() for n in (2, 3, 4))
    loss = used.pow(2).sum() + linear.sum()
    ones = torch.ones(9).double()
    product = hessian_vector_product(loss, [used, unused, linear], ones)
    assert product.tolist() == [2.0] * 2 + [0.0] * 7
    product = hessian_vector_product(linear.sum(), [linear], ones[:4])
    assert product.tolist() == [0.0] * 4


@pytest.mark.parametrize("size", [20, 6, 1])
def test_a_whole_set_is_seen_in_pieces_in_evaluation_mode(size):
    model, (images, labels) = small_net(), small_problem()
    exact = exact_hessian(model, images, labels)
    model.train()
    model[5].eval()  # each part gets back its own mode
    kept = {name: t.clone() for name, t in model.state_dict().items()}
    multiply = loss_hessian(model, pieces(images, labels, size))
    vector = random(len(exact), seed=3)
    with torch.no_grad():  # whatever surrounds it
        product = multiply(vector)
    assert torch.allclose(product, exact @ vector, rtol=0, atol=1e-12)
    assert model.training and model[1].training and not model[5].training
    assert all(torch.equal(kept[name], t) for name, t in model.state_dict().items())


def test_the_mode_comes_back_after_an_error():
    model, (images, labels) = small_net(), small_problem()
    multiply = loss_hessian(model, [(images[:, :, :2], labels)])
    with pytest.raises(RuntimeError):
        multiply(random_vector(model.parameters()))
    assert model.training


def test_frozen_parameters_are_no_part_of_it():
    model, (images, labels) = small_net(), small_problem()
    model[0].requires_grad_(False)
    exact = exact_hessian(model, images, labels)
    vector = random_vector(model.parameters())
    assert vector.shape == exact.shape[:1]
    product = loss_hessian(model, [(images, labels)])(vector)
    assert torch.allclose(product, exact @ vector, rtol=0, atol=1e-12)


def test_another_loss_and_the_course_s_batches(make_images, make_model):
    def gap(logits, labels):
        return (logits.softmax(1)[range(len(labels)), labels] - 1).square().mean()

    model, batches = make_model().double(), Batches(make_images(30), 8)
    images = torch.cat([images for images, _ in batches]).double()
    labels = torch.cat([labels for _, labels in batches])
    exact = exact_hessian(model, images, labels, gap)
    multiply = loss_hessian(model, pieces(images, labels, 8), gap)
    vector = random(len(exact), seed=3)
    assert torch.allclose(multiply(vector), exact @ vector, rtol=0, atol=1e-12)
    vector = random_vector(model.float().parameters())
    assert torch.allclose(
        loss_hessian(model, batches, gap)(vector), (exact @ vector.double()).float(),
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_largest_eigenvalue_of_a_net(seed):
    model, (images, labels) = small_net(seed), small_problem()
    exact = torch.linalg.eigvalsh(exact_hessian(model, images, labels))
    multiply = loss_hessian(model, pieces(images, labels, 7))
    start = random_vector(model.parameters(), seed)
    found = largest_eigenvalue(multiply, start, tolerance=1e-4, iterations=2000)
    largest = exact[exact.abs().argmax()].item()
    assert found.value == pytest.approx(largest, rel=1e-4)
    assert found.error <= 1e-4 * abs(found.value) and found.iterations > 1
    residual = multiply(found.vector) - found.value * found.vector
    assert residual.norm().item() == pytest.approx(found.error)
    assert found.vector.norm().item() == pytest.approx(1)


lists = st.lists(st.floats(-5, 5), min_size=1, max_size=6)


@given(lists, st.integers(0, 99))
def test_what_is_found_is_an_eigenvalue_within_its_error(eigenvalues, seed):
    matrix = matrix_of([*eigenvalues, 10.0], seed)
    start = random(len(matrix), seed=seed + 1)
    found = largest_eigenvalue(lambda v: matrix @ v, start, iterations=1000)
    assert abs(found.value - 10) <= found.error + 1e-12 <= 0.1 + 1e-12
    assert found.value <= 10 + 1e-12  # a Rayleigh quotient


def test_the_largest_in_absolute_value_may_be_negative():
    matrix = matrix_of([-8.0, 3.0, 1.0])
    found = largest_eigenvalue(lambda v: matrix @ v, random(3), 1e-6)
    assert found.value == pytest.approx(-8)
    shifted = largest_eigenvalue(lambda v: matrix @ v + 8 * v, random(3), 1e-6)
    assert shifted.value - 8 == pytest.approx(3)


def test_an_eigenvector_is_found_at_once_and_zero_is_an_eigenvalue():
    matrix = torch.diag(torch.tensor([5.0, 1.0]))
    found = largest_eigenvalue(lambda v: matrix @ v, torch.tensor([3.0, 0.0]))
    assert (found.value, found.error, found.iterations) == (5.0, 0.0, 1)
    assert found.vector.tolist() == [1.0, 0.0]
    assert largest_eigenvalue(torch.zeros_like, torch.ones(3)).value == 0


def test_what_has_not_converged_is_said():
    opposite = torch.diag(torch.tensor([2.0, -2.0]))
    with pytest.warns(NotConverged, match="after 7 iterations .* negative"):
        found = largest_eigenvalue(
            lambda v: opposite @ v, torch.tensor([1.0, 0.5]), iterations=7
        )
    assert found.iterations == 7 and found.error > 0.5
    matrix = matrix_of([1.0, 0.99])
    with pytest.warns(NotConverged, match="more iterations"):
        few = largest_eigenvalue(lambda v: matrix @ v, random(2), 1e-6, iterations=3)
    many = largest_eigenvalue(lambda v: matrix @ v, random(2), 1e-6, iterations=3000)
    assert few.error > 1e-6 >= many.error and many.iterations > 100


def test_doubling_a_layer_and_halving_the_next_changes_the_curvature_alone():
    """Dinh et al. 2017, "Sharp Minima Can Generalize For Deep Nets", section 4."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    images, labels = random(12, 4), torch.arange(12) % 3
    multiply = loss_hessian(model, [(images, labels)])
    start = random_vector(model.parameters())
    before = largest_eigenvalue(multiply, start, 1e-5, 5000).value
    outputs = model(images)
    with torch.no_grad():
        for tensor in model[0].parameters():
            tensor *= 10
        model[2].weight /= 10
    assert torch.allclose(model(images), outputs, rtol=0, atol=1e-12)
    assert largest_eigenvalue(multiply, start, 1e-5, 5000).value > 5 * before


def test_start_vectors_are_those_of_their_seed():
    model = small_net()
    first, again, other = (random_vector(model.parameters(), s) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.dtype == double and len(first) == sum(
        p.numel() for p in model.parameters()
    )
    assert random_vector(model.half().parameters()).dtype == torch.half


def test_the_threshold_of_gradient_descent():
    """Steps shrink the loss below 2 / the largest eigenvalue and blow it up above."""
    matrix = matrix_of([4.0, 1.0, 0.1])
    largest = largest_eigenvalue(lambda v: matrix @ v, random(3), 1e-8).value
    for share, shrinks in ((0.99, True), (1.01, False)):
        x = random(3, seed=5)
        for _ in range(500):
            x = x - share * 2 / largest * matrix @ x
        assert (x.norm().item() < 1) == shrinks and math.isfinite(x.norm())


@pytest.mark.parametrize(("call", "message"), [
    (lambda p: hessian_vector_product(p.sum(), [p], torch.ones(4)),
     r"vector must be \[3\], a number for each.*got \[4\]"),
    (lambda p: hessian_vector_product(p.sum(), [p], torch.ones(3, 1)),
     r"vector must be \[3\].*got \[3, 1\]"),
    (lambda p: hessian_vector_product(p.sum(), [p], torch.ones(3).double()),
     r"vector is torch.float64 on cpu.*float32 .*vector.to\(parameters\[0\]\)"),
    (lambda p: hessian_vector_product(p.sum(), [], torch.ones(0)), "no parameters"),
    (lambda p: loss_hessian(nn.Linear(2, 2), iter([])), "than once, got list_iter"),
    (lambda p: loss_hessian(nn.Linear(2, 2), []), "pairs of images and labels"),
    (lambda p: largest_eigenvalue(abs, torch.zeros(3)), "not all 0"),
    (lambda p: largest_eigenvalue(abs, torch.ones(3, 1)), r"\[P\].*got \[3, 1\]"),
    (lambda p: largest_eigenvalue(abs, torch.tensor([1, torch.nan])), "finite"),
    (lambda p: largest_eigenvalue(abs, torch.ones(3), 0), "tolerance must be above 0"),
    (lambda p: largest_eigenvalue(abs, torch.ones(3), iterations=0), "from 1, got 0"),
    (lambda p: largest_eigenvalue(torch.sum, torch.ones(3)), r"be \[3\] .*got \[\]"),
    (lambda p: largest_eigenvalue(lambda v: v / 0, torch.ones(3)), "is not finite"),
])  # fmt: skip
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(3, requires_grad=True))
