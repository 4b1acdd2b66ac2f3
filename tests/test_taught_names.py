"""Following imports through the package: what counts as using a taught name."""

import ast

import pytest
import taught_names
from taught_names import free_names, imports, route_to, uses

TRAINING = "course_utils.training"
STEPS = "course_utils.steps"


def names(route):
    return [name for _, name in route]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from course_utils.training import fit", {(TRAINING, "fit")}),
        ("from course_utils.training import fit as f", {(TRAINING, "fit")}),
        ("import course_utils.training as t\nt.fit(1)", {(TRAINING, "fit")}),
        (
            "import course_utils.training\ncourse_utils.training.fit",
            {(TRAINING, "fit")},
        ),
        ("from course_utils import training\ntraining.fit", {(TRAINING, "fit")}),
        ("from course_utils import training\ntraining", {(TRAINING, None)}),
        ("def f():\n    from course_utils.steps import Step", {(STEPS, "Step")}),
        ("import torch\nfrom torch import nn\nnn.Linear", set()),
        ("import course_utils.training as t", set()),
        ("%matplotlib inline", set()),
    ],
)
def test_what_code_uses_of_the_package(source, expected):
    assert imports(source) == expected


def test_a_route_goes_through_defaults_and_calls():
    route = route_to((TRAINING, "fit"), {(STEPS, "classification_sums")})
    assert names(route) == ["fit", "evaluate", "classification_sums"]


def test_a_route_goes_through_class_attributes():
    route = route_to((STEPS, "ClassifierStep"), {(STEPS, "classification_sums")})
    assert names(route) == ["ClassifierStep", "classification_sums"]


def test_a_route_goes_through_base_classes_and_methods():
    assert route_to((STEPS, "ClassifierStep"), {(STEPS, "Step")})
    data = "course_utils.data"
    route = route_to((data, "Batches"), {("course_utils.runtime", "pick_device")})
    assert names(route) == ["Batches", "pick_device"]


def test_a_route_goes_through_modules_that_pass_a_name_on():
    loop = ("course_utils.explorables.loop", "TrainingLoop")
    route = route_to(("course_utils.explore", "TrainingLoop"), {loop})
    assert names(route) == ["TrainingLoop", "TrainingLoop"]


def test_a_whole_module_uses_all_it_defines():
    assert route_to((TRAINING, None), {(TRAINING, "evaluate")})


def test_no_route_where_there_is_none():
    assert route_to((TRAINING, "Totals"), {(TRAINING, "fit")}) is None
    assert route_to((TRAINING, "train_one_epoch"), {(TRAINING, "evaluate")}) is None
    assert uses("course_utils.no_such_module", "x") == set()
    assert uses("torch", "tensor") == set()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, b=c):\n    return a + d", {"c", "d"}),
        ("def f(a, *b, c=1, **d):\n    return a, b, c, d", set()),
        ("@deco\nclass A(B):\n    x = y\n    def f(self): return z", {"deco", *"Byz"}),
        ("def f():\n    fit = 1\n    return fit", set()),
        ("def f():\n    def g(fit): return fit\n    return fit", {"fit"}),
        ("def f():\n    for x in y: print(x)", {"y", "print"}),
        ("def f():\n    return [x for x in y if z]", {"y", "z"}),
        ("def f():\n    return lambda x: x + y", {"y"}),
        ("def f():\n    with a as b: return b.c", {"a"}),
        ("def f(a: Tensor) -> Other:\n    return 1", set()),
        ("NAMES = {'a': g, **h}", {"g", "h"}),
    ],
)
def test_free_names(source, expected):
    (node,) = ast.parse(source).body
    assert free_names(node, frozenset()) == expected


def test_checks_of_exercises_may_compare_with_the_original():
    assert taught_names.EXEMPT == "course_utils.exercises"
