"""The checks of the exercises on optimizers (chapter 04), and four sick runs."""

import functools

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.data import load_images
from course_utils.exercises import Wrong, exercise
from course_utils.exercises.tensors import likely_mistake, numbers
from course_utils.optimizers import SGD, Adam, Momentum

STEPS = 12
SIZES = 3, 2  # two parameters, so that a state they share is noticed


def _gradients(seed):
    """[12, 5]: random, with a part that stays, so that means of them differ."""
    return numbers(STEPS, 5, seed=seed) + numbers(5, seed=seed + 50)


def _walk(kind, gradients, **options):
    """Where the reader's optimizer takes five numbers from 1: [12, 5]."""
    if not isinstance(kind, type) or not issubclass(kind, torch.optim.Optimizer):
        raise Wrong(f"give the class itself, got a {type(kind).__name__}")
    parameters = [nn.Parameter(torch.ones(n, dtype=torch.float64)) for n in SIZES]
    optimizer = kind(parameters, **options)
    path = []
    for t, row in enumerate(gradients, 1):
        for p, g in zip(parameters, row.split(SIZES), strict=True):
            p.grad = g.clone()
        optimizer.step()
        if (torch.cat([p.grad for p in parameters]) != row).any():
            raise Wrong("update changed its gradient; work on a copy")
        path.append(torch.cat([p.detach().flatten() for p in parameters]))
        if not path[-1].isfinite().all():
            raise Wrong(
                f"after step {t} a parameter is not a number; is there a division by "
                "1 - beta**0? The first step is t = 1"
            )
    if (path[-1] == 1).all():
        raise Wrong(
            "nothing moved: change p in place, with p -= ...; p = p - ... makes "
            "another tensor and leaves the network's alone"
        )
    return torch.stack(path)


def _simulate(rule, gradients, lr):
    """The path of five numbers from 1 whose step is lr * rule(g, state, t)."""
    p, state, path = torch.ones(5, dtype=torch.float64), {}, []
    for t, g in enumerate(gradients, 1):
        p = p - lr * rule(g, state, t)
        path.append(p)
    return torch.stack(path)


def _compare(found, rules, gradients, lr, where):
    """Raise Wrong unless the path is that of the rule called right."""
    paths = {name: _simulate(rule, gradients, lr) for name, rule in rules.items()}
    right = paths.pop("right")
    if not torch.allclose(found, right, atol=1e-9):
        raise Wrong(f"{where}: {likely_mistake(found, right, paths)}")


# Nesterov


@exercise
def check_nesterov(kind):
    """A subclass of Momentum whose steps are those of Nesterov's library form."""
    for case, mu in enumerate((0.9, 0.5)):
        gradients = _gradients(case)
        found = _walk(kind, gradients, lr=0.1, momentum=mu)
        _compare(found, _nesterov_rules(mu), gradients, 0.1, f"with momentum={mu}")
    return "the steps are those of torch.optim.SGD(..., nesterov=True)"


def _nesterov_rules(mu):
    def velocity(g, state, keep=mu):
        state["v"] = keep * state.get("v", 0) + g
        return state["v"]

    return {
        "right": lambda g, s, t: mu * velocity(g, s) + g,
        "this is plain momentum: the step must look one velocity ahead": (
            lambda g, s, t: velocity(g, s)
        ),
        "the velocity counts in full; on the way to the next gradient it will have "
        "lost a factor mu": lambda g, s, t: velocity(g, s) + g,
        "mu is on the gradient; it belongs to the velocity": (
            lambda g, s, t: velocity(g, s) + mu * g
        ),
        "the velocity is not kept from step to step; write it into state": (
            lambda g, s, t: mu * g + g
        ),
        "the gradient of now counts once, inside the velocity; add it once more": (
            lambda g, s, t: mu * velocity(g, s)
        ),
        "p goes up the gradient; subtract": lambda g, s, t: -(mu * velocity(g, s) + g),
        "the velocity never loses anything; multiply the old one by mu": (
            lambda g, s, t: mu * velocity(g, s, 1) + g
        ),
    }


# Adam's bias correction


@exercise
def check_corrected(kind):
    """An optimizer (params, lr, betas, eps) that moves as Adam does."""
    for case, (betas, eps) in enumerate((((0.9, 0.999), 1e-8), ((0.5, 0.8), 0.1))):
        gradients = _gradients(case + 9)
        found = _walk(kind, gradients, lr=0.1, betas=betas, eps=eps)
        where = f"with betas={betas} and eps={eps}"
        _compare(found, _adam_rules(*betas, eps), gradients, 0.1, where)
    return "equal to Adam in every step, for two parameters and two settings"


def _adam_rules(beta1, beta2, eps):
    def rule(first=True, second=True, count=lambda t: t, swap=False, inside=False,
             times=False, stored=False):  # fmt: skip
        def move(g, state, t):
            t = count(t)
            m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
            s = state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * g**2
            one, other = (beta2, beta1) if swap else (beta1, beta2)
            m_factor = 1 - one**t if first else 1
            s_factor = 1 - other**t if second else 1
            m, s = (m * m_factor, s * s_factor) if times else (
                m / m_factor, s / s_factor)  # fmt: skip
            if stored:
                state["m"], state["s"] = m, s
            return m / ((s + eps).sqrt() if inside else s.sqrt() + eps)

        return move

    each = torch.tensor([1, 1, 1, 0, 0], dtype=torch.float64)
    return {
        "right": rule(),
        "neither mean is corrected": rule(first=False, second=False),
        "m is corrected and s is not; both begin at 0": rule(second=False),
        "s is corrected and m is not; both begin at 0": rule(first=False),
        "the means are multiplied by 1 - beta**t; they are too small, so divide": rule(
            times=True
        ),
        "beta1 and beta2 are swapped in the correction": rule(swap=True),
        "every step is corrected like the first; count t up and keep it in state": rule(
            count=lambda t: 1
        ),
        "the correction begins at t = 2": rule(count=lambda t: t + 1),
        "the corrected means are stored, and corrected again in the next step; keep "
        "m and s as they are in state": rule(stored=True),
        "eps is inside the root; Adam adds it to the root": rule(inside=True),
        "all parameters share one t, which counts too fast; each has a state": rule(
            count=lambda t: 2 * t - each
        ),
    }


# Lion


@exercise
def check_lion(kind):
    """Lion(params, lr, betas): the sign of a mixture, then the mean is updated."""
    for case, betas in enumerate(((0.9, 0.99), (0.8, 0.3))):
        gradients = _gradients(case + 20)
        found = _walk(kind, gradients, lr=0.01, betas=betas)
        _compare(found, _lion_rules(*betas), gradients, 0.01, f"with betas={betas}")
    return "every step has the same length, and the right sign"


def _lion_rules(beta1, beta2):
    def rule(mix=beta1, keep=beta2, early=False, sign=torch.sign):
        def move(g, state, t):
            old = state.get("m", torch.zeros_like(g))
            state["m"] = keep * old + (1 - keep) * g
            c = mix * (state["m"] if early else old) + (1 - mix) * g
            return sign(c)

        return move

    return {
        "right": rule(),
        "the step is not a sign; take .sign() of the mixture": rule(sign=lambda c: c),
        "this is the sign of the gradient alone; mix it with the mean": rule(mix=0),
        "the mean is updated before the mixture; mix with the old mean": rule(
            early=True
        ),
        "beta2 mixes; beta1 does, beta2 keeps the mean": rule(mix=beta2, keep=beta2),
        "beta1 keeps the mean; beta1 mixes, beta2 keeps": rule(keep=beta1),
        "beta1 and beta2 are swapped": rule(mix=beta2, keep=beta1),
        "p goes up; subtract": rule(sign=lambda c: -c.sign()),
        "this is the sign of the old mean, without the gradient of now": rule(mix=1),
    }


# Four sick runs

CAUSES = {
    "A": "no momentum",
    "B": "no warm-up",
    "C": "rate too small",
    "D": "rate too large",
}
CLUES = {  # what a curve shows that speaks against a cause
    ("A", "rate too small"): "twice the rate makes the run explode",
    ("C", "no momentum"): "it crawls from the first step on, and with twice the rate "
    "it is simply faster: there is room above",
    ("B", "rate too large"): "after the leap it comes down again and learns, at the "
    "same rate; what is different in the first steps?",
    ("D", "no warm-up"): "it does not recover from the leap; the rate is as bad "
    "later as at the start",
}
GENERAL = {
    "rate too small": "with a rate that is too small, the loss falls slowly and "
    "evenly, and twice the rate helps",
    "rate too large": "with a rate that is too large, the loss rises or stays high, "
    "with twice the rate as well",
    "no momentum": "without momentum, a first fast part is followed by a long slow "
    "one, and a larger rate explodes",
    "no warm-up": "without warm-up, the loss leaps in the first steps and comes down "
    "afterwards",
}


def four_runs():
    """{letter: (problem, losses, losses with twice the rate)}, of real runs."""
    return {
        "A": ("linear model", *_twice(_linear, SGD, 1.9e-3, 300)),
        "B": ("network", *_twice(_network, Adam, 0.1, 120)),
        "C": ("linear model", *_twice(_linear, SGD, 2e-5, 300)),
        "D": ("network", *_twice(_network, Momentum, 1.5, 120)),
    }


def _twice(problem, kind, lr, steps):
    return [problem(kind, factor * lr, steps) for factor in (1, 2)]


def _linear(kind, lr, steps):
    """Least squares in 20 directions whose curvatures go from 1 to 1,000."""
    curvatures = torch.logspace(0, 3, 20, dtype=torch.float64)
    theta = nn.Parameter(torch.ones(20, dtype=torch.float64))
    return _losses(lambda: (curvatures * theta**2).sum() / 2, kind([theta], lr), steps)


def _network(kind, lr, steps):
    x, labels = _images()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(196, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
            nn.Linear(64, 10),
        )  # fmt: skip
    optimizer = kind(model.parameters(), lr)
    return _losses(lambda: F.cross_entropy(model(x), labels), optimizer, steps)


@functools.cache
def _images():
    images = load_images("fashion-mnist", "train", limit=500)
    x = F.avg_pool2d(images.images.float() / 255, 2).flatten(1)
    return (x - 0.3) / 0.35, images.labels


def _losses(loss_of, optimizer, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@exercise
def check_diagnosis(diagnosis):
    """A dictionary from the letter of a run to what is wrong with it."""
    if not isinstance(diagnosis, dict) or set(diagnosis) != set(CAUSES):
        raise Wrong(f"give a dictionary with the letters A to D, got {diagnosis!r}")
    if all(cause in (None, ...) for cause in diagnosis.values()):
        raise NotImplementedError
    for letter, cause in diagnosis.items():
        if cause not in GENERAL:
            known = ", ".join(map(repr, GENERAL))
            raise Wrong(f"{letter} must be one of {known}, got {cause!r}")
    wrong = [letter for letter in CAUSES if diagnosis[letter] != CAUSES[letter]]
    if wrong:
        letter, cause = wrong[0], diagnosis[wrong[0]]
        clue = CLUES.get((letter, cause), GENERAL[cause] + ": not seen here")
        raise Wrong(f"{4 - len(wrong)} of 4 are right. Run {letter}: {clue}")
    return "all four: look at the first steps, then at the run with twice the rate"
