"""Wrong answers to the exercises of chapter 04: what is wrong, and the code for it."""

from changing import changed

NESTEROV = """
class MyNesterov(Momentum):
    def update(self, p, g, state, group):
        mu = group["momentum"]
        v = state["v"] = mu * state.get("v", 0) + g
        p -= group["lr"] * (mu * v + g)
"""
ADAM = """
class CorrectedAdam(UncorrectedAdam):
    def update(self, p, g, state, group):
        beta1, beta2 = group["betas"]
        t = state["t"] = state.get("t", 0) + 1
        m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
        s = state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * g**2
        m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
        p -= group["lr"] * m_hat / (s_hat.sqrt() + group["eps"])
"""
LION = """
class Lion(Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99)):
        super().__init__(params, dict(lr=lr, betas=betas))

    def update(self, p, g, state, group):
        beta1, beta2 = group["betas"]
        m = state.get("m", torch.zeros_like(p))
        p -= group["lr"] * (beta1 * m + (1 - beta1) * g).sign()
        state["m"] = beta2 * m + (1 - beta2) * g
"""
DIAGNOSIS = """
diagnosis = {"A": "no momentum", "B": "no warm-up", "C": "rate too small",
             "D": "rate too large"}
"""


def swapped(*pair):
    """The diagnosis with two causes in each other's place."""
    one, other = pair
    return changed(DIAGNOSIS, (one, "#"), (other, one), ("#", other))


ANSWERS = {
    "nesterov": {
        "wrong": {
            "plain momentum": changed(NESTEROV, ("(mu * v + g)", "v")),
            "no mu": changed(NESTEROV, ("(mu * v + g)", "(v + g)")),
            "mu on the gradient": changed(NESTEROV, ("(mu * v + g)", "(v + mu * g)")),
            "nothing kept": changed(NESTEROV, ('state["v"] = mu', "mu")),
            "gradient once": changed(NESTEROV, ("(mu * v + g)", "(mu * v)")),
            "uphill": changed(NESTEROV, ("p -=", "p +=")),
            "no friction": changed(
                NESTEROV,
                ('mu * state.get("v", 0)', "1 * v0"),
                ("        v =", '        v0 = state.get("v", 0)\n        v ='),
            ),
            "not in place": changed(
                NESTEROV, ('p -= group["lr"]', 'p = p - group["lr"]')
            ),
            "in the gradient": changed(
                NESTEROV,
                (
                    'v = state["v"] = mu * state.get("v", 0) + g',
                    'v = state["v"] = g.add_(mu * state.get("v", 0))',
                ),
            ),
            "an optimizer": NESTEROV
            + "\nMyNesterov = MyNesterov([torch.nn.Parameter(torch.ones(1))])\n",
        }
    },
    "corrected": {
        "wrong": {
            "none": changed(ADAM, ("m / (1 - beta1**t), s / (1 - beta2**t)", "m, s")),
            "m only": changed(ADAM, ("s / (1 - beta2**t)", "s")),
            "s only": changed(ADAM, ("m / (1 - beta1**t)", "m")),
            "multiplied": changed(ADAM, ("m / (1", "m * (1"), ("s / (1", "s * (1")),
            "swapped": changed(
                ADAM,
                ("m / (1 - beta1", "m / (1 - #"),
                ("s / (1 - beta2", "s / (1 - beta1"),
                ("#", "beta2"),
            ),
            "t from 0": changed(
                ADAM,
                (
                    't = state["t"] = state.get("t", 0) + 1',
                    't = state.get("t", 0)\n        state["t"] = t + 1',
                ),
            ),
            "t from 2": changed(ADAM, ('state.get("t", 0)', 'state.get("t", 1)')),
            "t stays 1": changed(
                ADAM, ('t = state["t"] = state.get("t", 0) + 1', "t = 1")
            ),
            "stored": changed(
                ADAM, ("m_hat, s_hat =", 'm_hat, s_hat = state["m"], state["s"] =')
            ),
            "eps inside": changed(
                ADAM,
                ('(s_hat.sqrt() + group["eps"])', '(s_hat + group["eps"]).sqrt()'),
            ),
            "one t for all": changed(
                ADAM,
                (
                    't = state["t"] = state.get("t", 0) + 1',
                    't = group["t"] = group.get("t", 0) + 1',
                ),
            ),
        }
    },
    "lion": {
        "wrong": {
            "no sign": changed(LION, (".sign()", "")),
            "sign of g": changed(LION, ("(beta1 * m + (1 - beta1) * g)", "g")),
            "sign of m": changed(LION, ("(beta1 * m + (1 - beta1) * g)", "m")),
            "beta2 mixes": changed(
                LION, ("beta1 * m + (1 - beta1)", "beta2 * m + (1 - beta2)")
            ),
            "beta1 keeps": changed(
                LION, ("beta2 * m + (1 - beta2)", "beta1 * m + (1 - beta1)")
            ),
            "swapped": changed(LION, ("beta1, beta2 =", "beta2, beta1 =")),
            "mean first": changed(
                LION,
                ('        state["m"] = beta2 * m + (1 - beta2) * g\n', ""),
                (
                    "        p -=",
                    '        m = state["m"] = beta2 * m + (1 - beta2) * g\n'
                    "        p -=",
                ),
            ),
            "uphill": changed(LION, ("p -=", "p +=")),
            "not in place": changed(LION, ('p -= group["lr"]', 'p = p - group["lr"]')),
        }
    },
    "diagnosis": {
        "wrong": {
            "momentum and small": swapped("no momentum", "rate too small"),
            "warm-up and large": swapped("no warm-up", "rate too large"),
            "momentum and large": swapped("no momentum", "rate too large"),
            "small for B": changed(DIAGNOSIS, ("no warm-up", "rate too small")),
            "an unknown cause": changed(DIAGNOSIS, ("no warm-up", "bad luck")),
            "a letter missing": changed(DIAGNOSIS, ('"A": "no momentum", ', "")),
        }
    },
}
