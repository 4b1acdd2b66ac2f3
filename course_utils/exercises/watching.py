"""What an answer calls of torch: an exercise is to be written, not looked up."""

from torch.overrides import TorchFunctionMode

from course_utils.exercises import Wrong


class Watch(TorchFunctionMode):
    """A context that notes the functions of torch and methods of tensors called in it.

    `names` is the set of their names. One that is `forbidden` raises Wrong, with the
    `advice` what to use instead; functions in `allowed` may be called all the same:
    Tensor.unfold has the name of another one. What a function of torch calls itself
    goes unseen, such as the backward of an autograd.Function under loss.backward().

        with Watch({"conv2d"}, "use loops and indexing"):
            y = answer(x, weight)
    """

    def __init__(self, forbidden=(), advice="", allowed=()):
        super().__init__()
        self.forbidden, self.advice, self.allowed = forbidden, advice, allowed
        self.names = set()

    def __torch_function__(self, function, types, arguments=(), options=None):
        name = getattr(function, "__name__", "")
        if name in self.forbidden and function not in self.allowed:
            raise Wrong(f"this calls torch's {name}; {self.advice}")
        self.names.add(name)
        return function(*arguments, **(options or {}))
