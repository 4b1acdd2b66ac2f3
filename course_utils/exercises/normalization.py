"""The checks of the exercises on batch norm (chapter 05)."""

import torch
from torch import nn

from course_utils.exercises import Wrong, describe, exercise
from course_utils.exercises.tensors import (
    check_tensor,
    check_unchanged,
    likely_mistake,
    numbers,
    same,
)
from course_utils.exercises.watching import Watch

# Batch norm, backward

NAMES = "the gradient of x", "the gradient of weight", "the gradient of bias"


@exercise
def check_backward(backward):
    """backward(g, x, weight, eps) for x [M, C]: gradients of x, weight and bias."""
    advice = "write the sums yourself"
    forbidden = {"backward", "batch_norm", "native_batch_norm", "var_mean", "grad"}
    for case, (size, eps) in enumerate((((6, 3), 1e-5), ((5, 4), 0.5), ((2, 3), 0.1))):
        g, x = numbers(*size, seed=case), 2 * numbers(*size, seed=case + 20) + 1
        weight = 1 + numbers(size[1], seed=case + 40).abs()
        given = [tensor.clone() for tensor in (g, x, weight)]
        with Watch(forbidden, advice):
            found = backward(*given, eps)
        check_unchanged(given, (g, x, weight))
        if not isinstance(found, (tuple, list)) or len(found) != 3:
            raise Wrong(
                "give three gradients, of x, weight and bias, got " + describe(found)
            )
        where = f"for x {list(size)} and eps={eps}"
        _check_gradients(found, g, x, weight, eps, where)
    return "all three gradients are right, for three sizes and values of eps"


def _check_gradients(found, g, x, weight, eps, where):
    right, mistakes = _gradients(g, x, weight, eps)
    sizes = {
        tuple(x.shape): "a weight and a bias serve all M values of a channel: sum",
        x.shape[:1]: "this sum runs over the channels; it must run over the batch",
        (): "one number for each channel: sum over axis 0 only",
    }
    for name, value, expected in zip(NAMES, found, right, strict=True):
        check_tensor(value, expected.shape, f"{where} {name}", sizes)
        if not same(value, expected):
            mistake = likely_mistake(value, expected, mistakes[name])
            raise Wrong(f"{where} {name} is wrong: {mistake}")


def _gradients(g, x, weight, eps):
    """The right gradients, and for each gradient the likely wrong ones."""
    std = (x.var(0, correction=0) + eps).sqrt()
    x_hat = (x - x.mean(0)) / std
    bare = (x - x.mean(0)) / x.std(0, correction=0)
    narrow = (x - x.mean(0)) / (x.var(0) + eps).sqrt()
    by_x = _mistakes_by_x(g, x, weight, std, x_hat)
    by_x |= {
        "the variance divides by M - 1; batch norm's divides by M": (
            weight / (x.var(0) + eps).sqrt() * _rest(g, narrow)
        ),
        "eps is forgotten": weight / x.std(0, correction=0) * _rest(g, bare),
    }
    by_weight = {
        "this is the gradient of bias": g.sum(0),
        "x itself stands where x̂ belongs": (g * x).sum(0),
        "this is a mean over the batch; every value counts in full": (g * x_hat).mean(
            0
        ),
        "x is centred but not divided by its standard deviation": (
            (g * (x - x.mean(0))).sum(0)
        ),
        "the variance divides by M - 1 here": (g * narrow).sum(0),
        "eps is forgotten": (g * bare).sum(0),
    }
    by_bias = {
        "this is a mean over the batch; every value counts in full": g.mean(0),
        "this is the gradient of weight": (g * x_hat).sum(0),
        "weight does not come in: bias is added after it": (g * weight).sum(0),
    }
    right = weight / std * _rest(g, x_hat), (g * x_hat).sum(0), g.sum(0)
    return right, dict(zip(NAMES, (by_x, by_weight, by_bias), strict=True))


def _rest(g, x_hat):
    """g without its parts along a shift and along a stretch."""
    return g - g.mean(0) - x_hat * (g * x_hat).mean(0)


def _mistakes_by_x(g, x, weight, std, x_hat):
    M, shift, stretch = len(x), g.mean(0), x_hat * (g * x_hat).mean(0)
    rests = {
        "mean and variance depend on x too; this is the gradient in evaluation mode": g,
        "the way through the mean is missing: subtract the mean of g": g - stretch,
        "the way through the variance is missing: the stretch": g - shift,
        "the sums are not divided by M": g - M * shift - M * stretch,
        "the sums are divided by M - 1; the mean divides by M": (
            g - (shift + stretch) * M / (M - 1)
        ),
        "the parts are added; they are taken away": g + shift + stretch,
        "weight is forgotten": (g - shift - stretch) / weight,
        "1/s is forgotten, the scale of x": (g - shift - stretch) * std,
        "this divides by the variance, not by its root": (g - shift - stretch) / std,
        "the mean of g · x̂ must be multiplied with x̂ again": (
            g - shift - (g * x_hat).mean(0)
        ),
        "x itself stands where x̂ belongs": g - shift - x * (g * x).mean(0),
    }
    return {message: weight / std * rest for message, rest in rests.items()}


# Folding


@exercise
def check_fold(fold):
    """fold(linear, norm) gives one Linear equal to both in evaluation mode."""
    for case, has_bias in enumerate((True, True, False)):
        linear, norm = _layers(case, has_bias)
        x = numbers(7, 5, seed=case + 3)
        right = norm(linear(x)).detach()
        kept = [p.detach().clone() for p in linear.parameters()]
        try:
            folded = fold(linear, norm)
        except (TypeError, AttributeError) as error:
            if has_bias:
                raise
            message = "this linear layer has no bias (bias=False): take 0 for it"
            raise Wrong(message) from error
        check_unchanged(list(linear.parameters()), kept)
        if not isinstance(folded, nn.Linear):
            raise Wrong(f"fold must give an nn.Linear, got a {type(folded).__name__}")
        if folded.bias is None:
            raise Wrong("the folded layer needs a bias, even where the first has none")
        size = tuple(folded.weight.shape)
        check_tensor(folded.weight, linear.weight.shape, "the weight", {
            size: "nn.Linear(inputs, outputs) has a weight [outputs, inputs]"
        })  # fmt: skip
        found = folded.double()(x).detach()
        if not torch.allclose(found, right, atol=1e-4):
            raise Wrong(_fold_mistake(found, x, linear, norm))
    return "one layer does the work of two, with a bias and without"


def _layers(case, has_bias):
    """A Linear and a BatchNorm1d in evaluation mode that has seen something."""
    linear = nn.Linear(5, 5 + case, bias=has_bias).double()
    norm = nn.BatchNorm1d(5 + case, eps=0.1).double().eval()
    parts = [*linear.parameters(), *norm.parameters(), norm.running_mean]
    with torch.no_grad():
        for seed, part in enumerate([*parts, norm.running_var]):
            part.copy_(numbers(*part.shape, seed=10 * case + seed))
        norm.running_var.abs_().add_(0.5)
    return linear, norm


@torch.no_grad()
def _fold_mistake(found, x, linear, norm):
    """What the numbers of a wrongly folded layer say about it."""
    z, mean, beta = linear(x), norm.running_mean, norm.bias
    variance, bias = norm.running_var, linear.bias
    bias = torch.zeros_like(mean) if bias is None else bias
    scale = norm.weight / (variance + norm.eps).sqrt()
    bare = norm.weight / variance.sqrt()
    batch = (z - z.mean(0)) / (z.var(0, correction=0) + norm.eps).sqrt()
    mistakes = {
        "this is the first layer alone": z,
        "eps is forgotten": (z - mean) * bare + beta,
        "this divides by the variance, not by its root": (
            (z - mean) * norm.weight / (variance + norm.eps) + beta
        ),
        "gamma (norm.weight) is forgotten": (z - mean) * scale / norm.weight + beta,
        "beta (norm.bias) is forgotten": (z - mean) * scale,
        "the running mean is forgotten": z * scale + beta,
        "the first layer's own bias is lost": (z - bias - mean) * scale + beta,
        "the first layer's own bias is not scaled": (
            (z - bias - mean) * scale + beta + bias
        ),
        "the running mean is not scaled": z * scale - mean + beta,
        "the running mean is added; subtract it": (z + mean) * scale + beta,
        "the bias is right, and the weight is not scaled": (
            z - bias + (bias - mean) * scale + beta
        ),
        "this uses statistics of a batch; here the running ones count": (
            batch * norm.weight + beta
        ),
    }
    for message, wrong in mistakes.items():
        if torch.allclose(found, wrong, atol=1e-4):
            return message
    right = (z - mean) * scale + beta
    off = (found - right).abs().max().item()
    rows = z - bias  # without its bias the weight is all that is left
    weight = linear.weight
    if weight.shape[0] == weight.shape[1]:
        wrong = x @ (weight * scale).mT
        if torch.allclose(found - found[:1], wrong - wrong[:1], atol=1e-4):
            return "each output has its scale: a row of weight [outputs, inputs]"
    return f"outputs are off by up to {off:.3g}, of {rows.abs().max().item():.3g}"
