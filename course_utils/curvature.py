"""How sharply a loss bends: products with its Hessian, and its largest eigenvalue.

The Hessian H of P parameters has P² numbers, too many to write down. Its product with
a vector costs two backward passes, and products are all that power iteration needs.
Vectors are flat, [P]: all parameters one after the other, in the order of the model.

Sources: Pearlmutter 1994, "Fast Exact Multiplication by the Hessian"; power iteration
as in Golub and Van Loan, "Matrix Computations", section on power methods.
"""

import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F

from course_utils.measure import evaluating


class Eigenvalue(NamedTuple):
    """What power iteration found: an eigenvalue and its vector [P], of length 1.

    An exact eigenvalue is at most `error` away from `value`, give or take rounding.
    """

    value: float
    vector: torch.Tensor
    iterations: int
    error: float


class NotConverged(UserWarning):
    """Power iteration stopped before its error was small enough."""


def hessian_vector_product(loss, parameters, vector):
    """The Hessian of loss, a number made of parameters, times vector [P] -> [P].

    A backward pass for the gradient, and one more for the derivative of its component
    along the vector. What loss does not depend on counts as flat.
    Taught in chapter 03."""
    parameters = checked_parameters(parameters, vector)
    gradient = flat_gradient(loss, parameters, create_graph=True)  # [P]
    slope = gradient @ vector  # how steep the loss is along the vector
    if not slope.requires_grad:  # the loss is linear
        return torch.zeros_like(vector)
    return flat_gradient(slope, parameters)


def loss_hessian(model, batches, loss=F.cross_entropy):
    """A function of vector [P] -> H vector [P]: H is of the mean loss over all batches.

    loss(logits, labels) is the mean over a batch; batches, also of different sizes, are
    seen one at a time. The model is in evaluation mode meanwhile, so that the loss is
    one fixed function. P counts the parameters that learn. Taught in chapter 03."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    check_batches(batches)

    @torch.enable_grad()
    def multiply(vector):
        total, count = torch.zeros_like(vector), 0
        with evaluating(model):
            for images, labels in batches:
                mean = loss(model(images), labels)
                product = hessian_vector_product(mean, parameters, vector)
                total += len(labels) * product
                count += len(labels)
        return total / count

    return multiply


def largest_eigenvalue(multiply, start, tolerance=0.01, iterations=100):
    """The eigenvalue of largest absolute value of a symmetric matrix, by multiplying.

    multiply(vector [P]) is the matrix times the vector; start [P] is not 0. The
    Eigenvalue is within tolerance * |value| of an exact one; warns NotConverged where
    that takes more iterations, ValueError for what is not finite.
    Taught in chapter 03."""
    check_start(start, tolerance, iterations)
    product = start
    for iteration in range(1, iterations + 1):
        vector = product / product.norm()
        product = checked_product(multiply(vector), vector)
        value = vector @ product  # the Rayleigh quotient
        error = (product - value * vector).norm()
        found = Eigenvalue(value.item(), vector, iteration, error.item())
        if found.error <= tolerance * abs(found.value):
            return found
    warn_not_converged(found)
    return found


def random_vector(parameters, seed=0):
    """A vector [P] of standard normal numbers for parameters; the same for each seed.

    On their device and in their type; give model.parameters(). Those that do not learn
    are left out. A seed that also made the weights would draw numbers like theirs.
    Used in chapter 03.
    """
    parameters = [p for p in parameters if p.requires_grad]
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(sum(p.numel() for p in parameters), generator=generator)
    return numbers.to(parameters[0])


def flat_gradient(number, parameters, create_graph=False):
    """The gradient of a number by parameters as one vector [P]; 0 where it has none.

    create_graph allows to differentiate it again. Used in chapter 03.
    """
    gradients = torch.autograd.grad(
        number, parameters, create_graph=create_graph, materialize_grads=True
    )
    return torch.cat([gradient.flatten() for gradient in gradients])


# What was wrong, and what to try


def checked_parameters(parameters, vector):
    """The parameters as a list; ValueError unless vector has a number for each."""
    parameters = list(parameters)
    count = sum(p.numel() for p in parameters)
    if vector.shape != (count,):
        raise ValueError(
            f"vector must be [{count}], a number for each in the parameters, got "
            f"{list(vector.shape)}; try random_vector(parameters)"
        )
    if not parameters:
        raise ValueError("there are no parameters; an iterator can be used only once")
    kind = parameters[0].dtype, parameters[0].device
    if (vector.dtype, vector.device) != kind:
        raise ValueError(
            f"vector is {vector.dtype} on {vector.device}, the parameters are "
            f"{kind[0]} on {kind[1]}; make it the same with vector.to(parameters[0])"
        )
    return parameters


def check_batches(batches):
    """ValueError unless batches can be gone through again and again."""
    if iter(batches) is batches or (hasattr(batches, "__len__") and len(batches) == 0):
        raise ValueError(
            "batches must hold pairs of images and labels and be usable more than "
            f"once, got {type(batches).__name__}; give Batches, a DataLoader or a "
            "list such as [(images, labels)]"
        )


def check_start(start, tolerance, iterations):
    """ValueError for a start of zeros or settings that make no sense."""
    if start.ndim != 1 or not start.isfinite().all() or not start.any():
        raise ValueError(
            f"start must be a vector [P] of finite numbers that are not all 0, got "
            f"{list(start.shape)}; try random_vector(model.parameters())"
        )
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance!r}; try 0.01")
    if not isinstance(iterations, int) or iterations < 1:
        raise ValueError(
            f"iterations must be a whole number from 1, got {iterations!r}; try 100"
        )


def checked_product(product, vector):
    """The product; ValueError where it is not a finite vector as long as `vector`."""
    if product.shape != vector.shape:
        raise ValueError(
            f"multiply(vector) must be {list(vector.shape)} for a vector "
            f"{list(vector.shape)}, got {list(product.shape)}"
        )
    if not product.isfinite().all():
        raise ValueError(
            "a product with the matrix is not finite; is the loss? Look at evaluate() "
            "of the same model and batches"
        )
    return product


def warn_not_converged(found):
    """Warn that the error of an Eigenvalue is still large."""
    warnings.warn(
        f"after {found.iterations} iterations an eigenvalue is only known to be within "
        f"{found.error:.2g} of {found.value:.4g}; try more iterations or a larger "
        "tolerance. Where the two largest are almost equal in size, also if one of "
        "them is negative, it takes long",
        NotConverged,
        stacklevel=3,
    )
