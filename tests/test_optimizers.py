"""The optimizers: 200 steps equal to torch.optim's, resumed runs, and refusals."""

import copy
import io
import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import StepLR

from course_utils import optimizers
from course_utils.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    Optimizer,
    RMSprop,
)
from course_utils.schedules import one_cycle, warmup_cosine
from course_utils.steps import ClassifierStep

STEPS, NEAR = 200, 1e-10
DECAY = {"weight_decay": (0, 0.1)}
ADAM = {
    "lr": (0.003, 0.05), "betas": ((0.9, 0.999), (0.5, 0.8), (0.0, 0.99)),
    "eps": (1e-8, 1e-3), "amsgrad": (False, True), **DECAY,
}  # fmt: skip
GRID = {  # values of every setting that torch.optim has as well
    SGD: {"lr": (0.001, 0.1), **DECAY},
    Momentum: {
        "lr": (0.001, 0.05), "momentum": (0.5, 0.9, 0.99), "dampening": (0, 0.4),
        **DECAY,
    },
    Nesterov: {"lr": (0.001, 0.05), "momentum": (0.5, 0.9, 0.99), **DECAY},
    Adagrad: {
        "lr": (0.01, 0.5), "initial_accumulator_value": (0, 0.2), "eps": (1e-10, 1e-2),
        **DECAY,
    },
    Adadelta: {"lr": (1.0, 0.1), "rho": (0.9, 0.5), "eps": (1e-6, 1e-2), **DECAY},
    RMSprop: {
        "lr": (0.001, 0.02), "alpha": (0.99, 0.8), "eps": (1e-8, 1e-3),
        "momentum": (0, 0.9), "centered": (False, True), **DECAY,
    },
    Adam: ADAM,
    AdamW: ADAM,
}  # fmt: skip
KINDS = list(GRID)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def torch_twin(kind, parameters, **options):
    """torch's own optimizer of this kind, with the defaults of ours."""
    if kind in (Momentum, Nesterov):
        options = {"momentum": 0.9, "nesterov": kind is Nesterov, **options}
        return torch.optim.SGD(parameters, **options)
    return getattr(torch.optim, kind.__name__)(parameters, **options)


def combinations(kind):
    """Every combination of the settings in the grid."""
    names = GRID[kind]
    return [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*names.values())
    ]


class Problem:
    """Where to start (a list of tensors), and the gradients there, by autograd."""

    def __init__(self, start, loss):
        self.start, self.loss = start, loss

    def parameters(self):
        return [torch.nn.Parameter(tensor.clone()) for tensor in self.start]

    def gradients(self, parameters, t):
        return torch.autograd.grad(self.loss(parameters), parameters)


class Quadratic(Problem):
    """Half of xᵀ A x with curvatures from 0.05 to 5; the gradient without autograd."""

    def __init__(self, size=6, seed=0):
        generator = torch.Generator().manual_seed(seed)
        options = {"generator": generator, "dtype": torch.float64}
        turned, _ = torch.linalg.qr(torch.randn(size, size, **options))
        curvatures = torch.logspace(-1.3, 0.7, size, dtype=torch.float64)
        self.matrix = turned * curvatures @ turned.T
        super().__init__([torch.randn(size, **options)], None)

    def gradients(self, parameters, t):
        return [self.matrix @ parameters[0].detach()]


class Given(Problem):
    """Gradients that are given in advance: a list of gradients, or None, per step."""

    def __init__(self, start, stream):
        self.start, self.stream = start, stream

    def gradients(self, parameters, t):
        return self.stream[t]


def take_step(optimizer, parameters, gradients):
    """Write the gradients, into the same tensors where there are any, and step."""
    for p, g in zip(parameters, gradients, strict=True):
        if g is None or p.grad is None:
            p.grad = None if g is None else g.clone()
        else:
            p.grad.copy_(g)
    optimizer.step()
    return torch.cat([p.detach().flatten() for p in parameters])


def advance(problem, optimizer, parameters, steps, after=lambda: None):
    """The parameters after each of the steps, [steps, numbers]."""
    trace = []
    for t in steps:
        gradients = problem.gradients(parameters, t)
        trace.append(take_step(optimizer, parameters, gradients))
        after()
    return torch.stack(trace)


def largest_difference(
    kind, problem, grouped=list, schedule=lambda optimizer: None, **options
):
    """Between the parameters of ours and torch's over 200 steps, each from its own.

    Both get the gradients where torch's parameters are: where an optimizer dances
    around a minimum, two gradients would multiply a difference in the last digit.
    """
    own, other = problem.parameters(), problem.parameters()
    both = kind(grouped(own), **options), torch_twin(kind, grouped(other), **options)
    schedules = [schedule(optimizer) for optimizer in both]
    largest = 0
    for t in range(STEPS):
        gradients = problem.gradients(other, t)
        ours = take_step(both[0], own, gradients)
        difference = ours - take_step(both[1], other, gradients)
        assert ours.isfinite().all()
        largest = max(largest, difference.abs().max().item())
        for one in schedules:
            one and one.step()
    assert any((p != start).any() for p, start in zip(own, problem.start, strict=True))
    return largest


# Equal to torch.optim


@every_kind
def test_every_combination_of_settings_equals_torch(kind):
    for options in combinations(kind):
        assert largest_difference(kind, Quadratic(), **options) < NEAR, options


@every_kind
def test_defaults_equal_torch(kind):
    assert largest_difference(kind, Quadratic(seed=1)) < NEAR
    twin = torch_twin(kind, Quadratic().parameters())
    own = kind(Quadratic().parameters()).defaults
    assert {name: twin.defaults[name] for name in own} == own


def rosenbrock(seed):
    start = torch.tensor([-1.2 + 0.1 * (seed % 5), 1.0], dtype=torch.float64)
    return Problem(
        [start], lambda x: (1 - x[0][0]) ** 2 + 5 * (x[0][1] - x[0][0] ** 2) ** 2
    )


def logistic(seed):
    generator = torch.Generator().manual_seed(seed)
    options = {"generator": generator, "dtype": torch.float64}
    inputs, labels = torch.randn(20, 4, **options), torch.arange(20) % 3
    start = [torch.randn(3, 4, **options), torch.zeros(3, dtype=torch.float64)]
    return Problem(start, lambda wb: F.cross_entropy(F.linear(inputs, *wb), labels))


PROBLEMS = [lambda seed: Quadratic(2 + seed % 7, seed), rosenbrock, logistic]


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(KINDS))
    return kind, draw(st.sampled_from(combinations(kind)))


@given(st.sampled_from(PROBLEMS), st.integers(0, 999), cases())
def test_random_problems_equal_torch(make, seed, case):
    kind, options = case
    options = options | {"lr": min(options["lr"], 0.01)}  # nothing explodes
    assert largest_difference(kind, make(seed), **options) < NEAR


def stream(shapes, keep, seed=0):
    """Random gradients; keep(generator) says per row or parameter what is not 0."""
    generator = torch.Generator().manual_seed(seed)
    start = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    steps = [
        [keep(torch.randn(s, generator=generator, dtype=torch.float64), generator)
         for s in shapes]
        for _ in range(STEPS)
    ]  # fmt: skip
    return Given(start, steps)


def few_rows(g, generator):
    return g * (torch.rand(len(g), 1, generator=generator) < 0.1)


def sometimes(g, generator):
    return g if torch.rand((), generator=generator) < 0.5 else None


@every_kind
def test_rows_whose_gradient_is_mostly_zero_equal_torch(kind):
    problem = stream([(30, 3)], few_rows)
    assert all((g[0] == 0).sum() > 45 for g in problem.stream)
    for options in ({}, {"weight_decay": 0.05}):
        assert largest_difference(kind, problem, **options) < NEAR


@every_kind
def test_parameters_without_a_gradient_now_and_then_equal_torch(kind):
    problem = stream([(3, 2), (4,), ()], sometimes)
    assert any(g is None for step in problem.stream for g in step)
    for options in ({}, {"weight_decay": 0.05}):
        assert largest_difference(kind, problem, **options) < NEAR


@every_kind
def test_groups_have_settings_of_their_own(kind):
    problem = stream([(3, 2), (4,)], lambda g, _: g)

    def grouped(parameters):
        first, second = parameters
        return [
            {"params": [first]},
            {"params": [second], "lr": 0.03, "weight_decay": 0.2},
        ]

    assert largest_difference(kind, problem, grouped, lr=0.01) < NEAR


@every_kind
@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: StepLR(optimizer, 30, gamma=0.5),
        lambda optimizer: warmup_cosine(optimizer, STEPS, warmup=20),
    ],
    ids=["steps", "cosine"],
)
def test_schedules_move_the_rate_as_torch_does(kind, schedule):
    problem = Quadratic(seed=2)
    assert largest_difference(kind, problem, schedule=schedule, lr=0.02) < NEAR


@pytest.mark.parametrize("kind", [Momentum, Nesterov, RMSprop, Adam, AdamW])
def test_one_cycle_moves_the_momentum_too(kind):
    parameters = Quadratic().parameters()
    options = {"momentum": 0.9} if kind is RMSprop else {}
    optimizer = kind(parameters, lr=0.1, **options)
    schedule = one_cycle(optimizer, STEPS)
    seen = set()

    def after():
        schedule.step()
        group = optimizer.param_groups[0]
        seen.add(group["betas"][0] if "betas" in group else group["momentum"])

    advance(Quadratic(), optimizer, parameters, range(STEPS), after)
    assert min(seen) == pytest.approx(0.85, abs=0.01)
    assert max(seen) == pytest.approx(0.95, abs=0.01)


def test_torch_makes_nan_of_a_variance_below_zero_and_we_do_not():
    constant = Given([torch.ones(3, dtype=torch.float64)], None)
    constant.gradients = lambda parameters, t: [torch.tensor([0.1, 0.7, -0.3]).double()]
    ends = []
    for kind in (RMSprop, torch.optim.RMSprop):
        parameters = constant.parameters()
        optimizer = kind(parameters, lr=1e-9, alpha=0.5, centered=True)
        ends.append(advance(constant, optimizer, parameters, range(100))[-1])
    assert ends[0].isfinite().all() and not ends[1].isfinite().all()


# What the forms mean


@pytest.mark.parametrize("mu", [0.3, 0.9, 0.99])
def test_nesterov_is_where_the_textbook_form_looks_ahead(mu):
    problem, lr = Quadratic(seed=4), 0.05
    (parameter,) = problem.parameters()
    theta, w = problem.start[0].clone(), torch.zeros(6, dtype=torch.float64)
    ahead = []
    for _ in range(STEPS):
        w = mu * w - lr * problem.matrix @ (theta + mu * w)
        theta = theta + w
        ahead.append(theta + mu * w)
    trace = advance(
        problem, Nesterov([parameter], lr=lr, momentum=mu), [parameter], range(STEPS)
    )
    assert (trace - torch.stack(ahead)).abs().max() < NEAR


def test_momentum_without_a_gradient_coasts():
    (p,) = Given([torch.zeros(1, dtype=torch.float64)], None).parameters()
    optimizer = Momentum([p], lr=1.0, momentum=0.5)
    for g in (1.0, 0.0, 0.0):
        p.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
    assert p.item() == -(1 + 0.5 + 0.25)


@pytest.mark.parametrize("kind", [Adam, AdamW, Adagrad])
def test_the_first_step_is_as_long_as_the_rate(kind):
    p = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    p.grad = torch.tensor([1e-3, -5.0, 2e4], dtype=torch.float64)
    kind([p], lr=0.25).step()
    assert p.tolist() == pytest.approx([-0.25, 0.25, -0.25], rel=1e-4)


def test_decoupled_decay_does_not_depend_on_the_gradient():
    shrunk = []
    for scale in (1.0, 100.0):
        p, free = (torch.nn.Parameter(torch.full((1,), 2.0).double()) for _ in "ab")
        for one, decay in ((p, 0.5), (free, 0.0)):
            one.grad = torch.tensor([scale], dtype=torch.float64)
            AdamW([one], lr=0.1, weight_decay=decay).step()
        shrunk.append((free - p).item())
    assert shrunk == pytest.approx([2.0 * 0.1 * 0.5] * 2)


# States


def saved_and_loaded(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_same(one, other):
    """Equal states: the same keys, equal tensors, equal numbers."""
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


RICH = {  # settings that use every part of the state
    Momentum: {"dampening": 0.3}, Adam: {"amsgrad": True}, AdamW: {"amsgrad": True},
    RMSprop: {"centered": True, "momentum": 0.9},
    Adagrad: {"initial_accumulator_value": 0.3},
}  # fmt: skip


@every_kind
def test_a_run_resumed_in_the_middle_is_the_uninterrupted_one(kind):
    problem = stream([(3, 2), (4,)], sometimes, seed=3)
    options = {"lr": 0.02, "weight_decay": 0.01, **RICH.get(kind, {})}
    parameters = problem.parameters()
    optimizer = kind(parameters, **options)
    schedule = warmup_cosine(optimizer, STEPS)
    first = advance(problem, optimizer, parameters, range(100), schedule.step)
    resumed = [torch.nn.Parameter(p.detach().clone()) for p in parameters]
    again = kind(resumed, lr=0.5)
    again_schedule = warmup_cosine(again, STEPS)
    again.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    again_schedule.load_state_dict(saved_and_loaded(schedule.state_dict()))
    assert_same(optimizer.state_dict(), again.state_dict())
    rest = range(100, STEPS)
    one = advance(problem, optimizer, parameters, rest, schedule.step)
    other = advance(problem, again, resumed, rest, again_schedule.step)
    assert torch.equal(one, other) and not torch.equal(one[-1], first[-1])
    assert_same(optimizer.state_dict(), again.state_dict())


@every_kind
def test_a_copied_optimizer_goes_on_alike(kind):
    problem = Quadratic()
    parameters = problem.parameters()
    optimizer = kind(parameters)
    advance(problem, optimizer, parameters, range(5))
    (copied, optimizer_copy) = copy.deepcopy((parameters, optimizer))
    one = advance(problem, optimizer, parameters, range(5))
    assert torch.equal(one, advance(problem, optimizer_copy, copied, range(5)))


@every_kind
def test_a_group_added_later_learns_with_its_own_settings(kind):
    first, late = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = kind([first], lr=0.1)
    optimizer.add_param_group({"params": [late], "lr": 0.0})
    for p in (first, late):
        p.grad = torch.ones(2)
    optimizer.step()
    assert (first < 1).all() and torch.equal(late.detach(), torch.ones(2))
    with pytest.raises(ValueError, match="lr must be a number at least 0"):
        optimizer.add_param_group({"params": [torch.ones(1)], "lr": -1})
    assert len(optimizer.param_groups) == 2


@every_kind
def test_what_has_no_gradient_stays_and_gets_no_state(kind):
    moving, still = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = kind([moving, still], weight_decay=0.1)
    moving.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(still.detach(), torch.ones(2)) and still not in optimizer.state
    assert (moving != 1).all()


@every_kind
def test_a_gradient_of_zeros_moves_nothing_and_is_finite(kind):
    p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = kind([p], weight_decay=0)
    p.grad = torch.zeros(2)
    for _ in range(3):
        optimizer.step()
    assert p.tolist() == [1.0, -2.0]


NUMBERS_PER_WEIGHT = {
    SGD: 0, Momentum: 1, Nesterov: 1, Adagrad: 1, Adadelta: 2, RMSprop: 1, Adam: 2,
    AdamW: 2,
}  # fmt: skip


@every_kind
def test_the_state_is_as_large_as_the_method_says(kind):
    problem = Quadratic()
    parameters = problem.parameters()
    optimizer = kind(parameters)
    advance(problem, optimizer, parameters, range(3))
    state = optimizer.state[parameters[0]]
    tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
    assert sum(value.numel() for value in tensors) == 6 * NUMBERS_PER_WEIGHT[kind]
    assert not any(value.requires_grad for value in tensors)


# In a training step


@every_kind
def test_a_closure_is_called_with_gradients_enabled(kind):
    p = torch.nn.Parameter(torch.tensor([3.0]))
    optimizer = kind([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 9
    assert p.item() < 3 and p.requires_grad and optimizer.step() is None


@every_kind
def test_a_classifier_learns_as_with_torch(kind):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(12, 5, generator=generator, dtype=torch.float64)
    labels = torch.arange(12) % 3
    weights = []
    for make in (kind, lambda *args: torch_twin(kind, *args)):
        torch.manual_seed(0)
        model = torch.nn.Linear(5, 3, dtype=torch.float64)
        step = ClassifierStep(
            model, make(model.parameters()), clip_norm=1.0, precision="fp32"
        )
        for _ in range(20):
            step(images, labels)
        weights.append(model.weight.detach())
        step.load_state_dict(saved_and_loaded(step.state_dict()))
    assert (weights[0] - weights[1]).abs().max() < NEAR


@every_kind
def test_loss_scaling_leaves_out_a_step_that_overflowed(kind):
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = kind([p])
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for factor, moves in ((float("inf"), False), (1.0, True)):
        before = p.detach().clone()
        optimizer.zero_grad()
        scaler.scale((factor * p).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert (p != before).all() == moves and p.isfinite().all()
        assert bool(optimizer.state.get(p)) == (moves and kind is not SGD)


@every_kind
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_short_floats_keep_their_type(kind, dtype):
    start = torch.full((3,), 2**-6, dtype=dtype)
    p = torch.nn.Parameter(start.clone())
    optimizer = kind([p], lr=0.1, weight_decay=0.01, **RICH.get(kind, {}))
    for g in (0.5, -0.25, 0.125):
        p.grad = torch.full_like(p, g)
        optimizer.step()
    optimizer.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    optimizer.step()
    assert p.dtype == dtype and p.isfinite().all() and (p != start).all()
    state = optimizer.state[p].values()
    assert {v.dtype for v in state if isinstance(v, torch.Tensor)} <= {dtype}


# Refusals

REFUSED = [
    (
        SGD,
        {"lr": -0.1},
        "lr must be a number at least 0 and finite, got -0.1; try 0.01",
    ),
    (SGD, {"lr": float("nan")}, "lr must be .* got nan"),
    (Adam, {"lr": float("inf")}, "lr must be .* got inf"),
    (SGD, {"lr": "0.1"}, "lr must be a number .* got '0.1'"),
    (SGD, {"weight_decay": -1}, "weight_decay must be .* got -1; try 0.0001"),
    (Momentum, {"momentum": 1}, "momentum must be .* 0 and below 1, got 1; try 0.9"),
    (Momentum, {"momentum": -0.1}, "momentum must be"),
    (Momentum, {"dampening": 1.5}, "dampening must be .* below 1, got 1.5; try 0"),
    (Nesterov, {"momentum": 1.1}, "momentum must be"),
    (Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value must be"),
    (Adagrad, {"eps": -1e-9}, "eps must be a number at least 0"),
    (Adadelta, {"rho": 1.0}, "rho must be .* below 1, got 1.0; try 0.9"),
    (RMSprop, {"alpha": 1.2}, "alpha must be .* below 1, got 1.2; try 0.99"),
    (RMSprop, {"momentum": 2}, "momentum must be"),
    (
        Adam,
        {"betas": (0.9, 1.0)},
        r"betas must be two numbers, each .* below 1, got \(",
    ),
    (Adam, {"betas": 0.9}, r"got 0.9; try \(0.9, 0.999\)"),
    (AdamW, {"betas": (0.9,)}, r"betas must be .* got \(0.9,\)"),
    (AdamW, {"betas": (-0.1, 0.9)}, "betas must be"),
    (AdamW, {"eps": None}, "eps must be a number .* got None"),
]


@pytest.mark.parametrize(("kind", "options", "message"), REFUSED)
def test_settings_outside_their_range_are_named(kind, options, message):
    parameters = [torch.nn.Parameter(torch.ones(1))]
    with pytest.raises(ValueError, match=message):
        kind(parameters, **options)
    with pytest.raises(ValueError, match=message):
        kind([{"params": parameters, **options}])


@every_kind
def test_settings_at_the_edge_and_of_other_types_are_taken(kind):
    p = torch.nn.Parameter(torch.ones(1))
    p.grad = torch.ones(1)
    kind([p], lr=0, weight_decay=0).step()
    assert p.item() == 1
    kind([p], lr=torch.tensor(0.1)).step()
    assert p.item() < 1


@every_kind
def test_sparse_gradients_and_complex_parameters_are_refused(kind):
    embedding = torch.nn.Embedding(5, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match=r"a gradient is sparse, .*sparse=False"):
        kind(embedding.parameters()).step()
    turned = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    turned.grad = torch.ones_like(turned)
    with pytest.raises(ValueError, match="a parameter is complex"):
        kind([turned]).step()


def test_a_further_optimizer_is_an_update_and_its_settings():
    class SignDescent(Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, dict(lr=lr))

        def update(self, p, g, state, group):
            p -= group["lr"] * g.sign()

    p = torch.nn.Parameter(torch.tensor([1.0, -3.0]))
    optimizer = SignDescent([p], lr=0.5)
    (p**2).sum().backward()
    optimizer.step()
    assert p.tolist() == [0.5, -2.5]
    with pytest.raises(ValueError, match="lr must be"):
        SignDescent([p], lr=-1)


def test_every_optimizer_of_the_module_is_tested():
    found = {
        value
        for value in vars(optimizers).values()
        if isinstance(value, type) and issubclass(value, Optimizer)
    }
    assert found == {Optimizer, *KINDS}
