"""Eight optimizers of a few lines each, with torch's argument names.

`Optimizer` goes over the parameters; each class below says how one parameter p moves,
given its gradient g. In all of them v is a velocity, m a mean of gradients, s a sum or
mean of squared gradients, and t counts steps from 1.

Sources. Momentum: Polyak 1964, "Some methods of speeding up the convergence of
iteration methods"; Nesterov: Sutskever et al. 2013, equations 3 and 4, where 1 and 2
are plain momentum; Adagrad: Duchi et al. 2011, section 1.1; Adadelta: Zeiler 2012,
Algorithm 1; RMSprop: Hinton, "Neural networks for machine learning" 2012, lecture 6e,
centred as in Graves 2013, equations 38 to 41; Adam: Kingma and Ba 2015, Algorithm 1,
AMSGrad: Reddi et al. 2018, Algorithm 2; AdamW: Loshchilov and Hutter 2019, Algorithm 2.

Deviations from the sources, which torch has too: the velocity holds gradients, and the
learning rate of now multiplies it; centred RMSprop adds eps outside the root, Graves
inside; AMSGrad corrects the bias; AdamW's decay is multiplied by the learning rate.
From torch.optim, with which all agree otherwise:
- Plain SGD, Momentum and Nesterov are three classes, and momentum is 0.9 unless given;
  with momentum=0, Momentum still dampens, as torch does not.
- Adagrad has no lr_decay: its steps shrink by themselves, which is what it teaches.
- The variance of centred RMSprop is never below 0, where rounding in torch makes NaN.
- No maximize, foreach, fused, capturable, differentiable; nothing sparse or complex.
"""

import numbers
from math import inf

import torch

# Every setting lies from 0 to below a limit; last, a value to try.
LIMITS = {
    "lr": (inf, 0.01),
    "momentum": (1, 0.9),
    "dampening": (1, 0),
    "betas": (1, (0.9, 0.999)),
    "alpha": (1, 0.99),
    "rho": (1, 0.9),
    "eps": (inf, 1e-8),
    "weight_decay": (inf, 1e-4),
    "initial_accumulator_value": (inf, 0.1),
}


class Optimizer(torch.optim.Optimizer):
    """Goes over all parameters; a subclass says in update() how one of them moves.

    update(p, g, state, group) changes p in place: g is its gradient, state a dictionary
    of its own, empty at first, group holds the settings. Taught in chapter 04."""

    def add_param_group(self, param_group):
        _check({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    g = self.decay(p, _gradient(p), group)
                    self.update(p, g, self.state[p], group)
        return loss

    def decay(self, p, g, group):
        weight_decay = group.get("weight_decay", 0)
        return g + weight_decay * p if weight_decay else g


class SGD(Optimizer):
    """p moves against its gradient, lr times its length. Taught in chapter 04."""

    def __init__(self, params, lr=1e-3, weight_decay=0):
        settings = dict(lr=lr, weight_decay=weight_decay)
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        p -= group["lr"] * g


class Momentum(Optimizer):
    """p moves with a velocity v, which each gradient pushes and friction slows down.

    The velocity begins as the first gradient, which is not dampened.
    Taught in chapter 04."""

    def __init__(self, params, lr=1e-3, momentum=0.9, dampening=0, weight_decay=0):
        settings = dict(lr=lr, momentum=momentum, dampening=dampening,
                        weight_decay=weight_decay)  # fmt: skip
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        mu, dampening = group["momentum"], group["dampening"]
        v = state["v"] = mu * state["v"] + (1 - dampening) * g if state else g.clone()
        p -= group["lr"] * v


class Nesterov(Optimizer):
    """Momentum that takes its gradient where the velocity is about to carry it.

    Sutskever et al. have a place θ, a velocity w = -lr v, and take the gradient ahead,
    at θ + mu w. That is p here, after every step of a constant lr.
    Taught in chapter 04."""

    def __init__(self, params, lr=1e-3, momentum=0.9, weight_decay=0):
        settings = dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        mu = group["momentum"]
        v = state["v"] = mu * state.get("v", 0) + g
        p -= group["lr"] * (mu * v + g)


class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of its squares, since the beginning.

    initial_accumulator_value is where the sum begins. Taught in chapter 04."""

    def __init__(self, params, lr=1e-2, weight_decay=0, initial_accumulator_value=0,
                 eps=1e-10):  # fmt: skip
        settings = dict(
            lr=lr, weight_decay=weight_decay, eps=eps,
            initial_accumulator_value=initial_accumulator_value,
        )  # fmt: skip
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        s = state.get("s", group["initial_accumulator_value"])
        s = state["s"] = s + g**2
        p -= group["lr"] * g / (s.sqrt() + group["eps"])


class Adadelta(Optimizer):
    """Steps as long as the recent ones were, in the units of the parameter.

    s is the mean of squared gradients, d that of squared steps, both with the memory
    rho. Taught in chapter 04."""

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0):
        settings = dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        rho, eps = group["rho"], group["eps"]
        s = state["s"] = rho * state.get("s", 0) + (1 - rho) * g**2
        d = state.get("d", torch.zeros_like(p))
        step = (d + eps).sqrt() / (s + eps).sqrt() * g
        state["d"] = rho * d + (1 - rho) * step**2
        p -= group["lr"] * step


class RMSprop(Optimizer):
    """The gradient divided by the root of the mean of its recent squares.

    centered: by its standard deviation, without what the mean gradient m contributes;
    momentum: the quotients push a velocity. Taught in chapter 04."""

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0,
                 momentum=0, centered=False):  # fmt: skip
        settings = dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay,
                        momentum=momentum, centered=centered)  # fmt: skip
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        alpha = group["alpha"]
        s = state["s"] = alpha * state.get("s", 0) + (1 - alpha) * g**2
        if group["centered"]:
            m = state["m"] = alpha * state.get("m", 0) + (1 - alpha) * g
            s = (s - m**2).clamp(min=0)  # rounding may go below 0
        v = g / (s.sqrt() + group["eps"])
        if group["momentum"]:
            v = state["v"] = group["momentum"] * state.get("v", 0) + v
        p -= group["lr"] * v


class Adam(Optimizer):
    """The mean of recent gradients over the root of the mean of their squares.

    Both means begin at 0; dividing by 1 - beta**t corrects that. amsgrad: the largest
    mean of squares so far. Kingma and Ba call s here v. Taught in chapter 04."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 amsgrad=False):  # fmt: skip
        settings = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                        amsgrad=amsgrad)  # fmt: skip
        super().__init__(params, settings)

    def update(self, p, g, state, group):
        beta1, beta2 = group["betas"]
        t = state["t"] = state.get("t", 0) + 1
        m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
        s = state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * g**2
        if group["amsgrad"]:
            s = state["largest"] = torch.maximum(s, state.get("largest", s))
        m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
        p -= group["lr"] * m_hat / (s_hat.sqrt() + group["eps"])


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights and stays out of the gradient.

    So no mean of squares divides it. Taught in chapter 04."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8,
                 weight_decay=1e-2, amsgrad=False):  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)

    def decay(self, p, g, group):
        p *= 1 - group["lr"] * group["weight_decay"]
        return g


def _gradient(p):
    """The gradient of a parameter; ValueError for kinds that no class here can use."""
    if p.grad.layout != torch.strided:
        raise ValueError(
            "a gradient is sparse, and these optimizers take dense ones; make the "
            "embedding with sparse=False, or use torch.optim.SparseAdam"
        )
    if p.is_complex():
        raise ValueError(
            "a parameter is complex, and these optimizers move real numbers; keep its "
            "torch.view_as_real as the parameter"
        )
    return p.grad


def _check(settings):
    """Raise ValueError for a setting outside its range."""
    for name in LIMITS.keys() & settings.keys():
        limit, usual = LIMITS[name]
        given = settings[name]
        values = given if isinstance(given, (tuple, list)) else [given]
        good = len(values) == (2 if name == "betas" else 1) and all(
            isinstance(one, (numbers.Real, torch.Tensor)) and 0 <= one < limit
            for one in values
        )
        if not good:
            kind = "two numbers, each" if name == "betas" else "a number"
            below = "and finite" if limit == inf else f"and below {limit}"
            raise ValueError(
                f"{name} must be {kind} at least 0 {below}, got {given!r}; try {usual}"
            )
