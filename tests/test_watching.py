"""A check sees what an answer calls of torch, and refuses what it is to write."""

import pytest
import torch
import torch.nn.functional as F

from course_utils.exercises import Wrong
from course_utils.exercises.watching import Watch


def test_names_of_functions_methods_and_operators_are_noted():
    x = torch.ones(2, 3, requires_grad=True)
    with Watch() as watch:
        torch.autograd.grad(F.relu(x).sum(), x)
        torch.ops.aten.exp(x)
    assert {"relu", "sum", "grad", "exp"} <= watch.names
    torch.cos(x)
    assert "cos" not in watch.names


@pytest.mark.parametrize("call", [F.conv2d, torch.conv2d, torch.ops.aten.conv2d])
def test_a_forbidden_one_is_refused_by_all_its_ways(call):
    x, weight = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)
    with (
        pytest.raises(Wrong, match="this calls torch's conv2d; use loops"),
        Watch({"conv2d"}, "use loops"),
    ):
        call(x, weight)
    with Watch({"conv2d"}, "use loops"):
        assert torch.equal(x * 2, x + x)


def test_one_of_two_with_the_same_name_can_be_allowed():
    x = torch.ones(1, 1, 3, 3)
    with Watch({"unfold"}, "use views", (torch.Tensor.unfold,)) as watch:
        assert x.unfold(2, 2, 1).shape == (1, 1, 2, 3, 2)
        with pytest.raises(Wrong, match="torch's unfold; use views"):
            F.unfold(x, 2)
    assert watch.names >= {"unfold"}
    with pytest.raises(Wrong), Watch({"unfold"}, "use views"):
        x.unfold(2, 2, 1)
