"""Wrong answers to the exercises of chapter 07: what is wrong, and the code for it."""

from changing import changed

DRAW = """
def draw(low, high, generator, size):
    return np.exp(generator.uniform(np.log(low), np.log(high), size))
"""
HALVE = """
def halve(train, candidates, budget, eta=3):
    rounds, size = 0, len(candidates)
    while size > 1:
        rounds, size = rounds + 1, max(1, size // eta)
    alive = list(range(len(candidates)))
    for _ in range(rounds):
        epochs = budget // rounds // len(alive)
        losses = {i: train(candidates[i], epochs) for i in alive}
        alive = sorted(alive, key=losses.get)[: max(1, len(alive) // eta)]
    return candidates[alive[0]]
"""

ANSWERS = {
    "log_uniform": {
        "wrong": {
            "uniform": changed(
                DRAW,
                (
                    "np.exp(generator.uniform(np.log(low), np.log(high), size))",
                    "generator.uniform(low, high, size)",
                ),
            ),
            "no exp": changed(DRAW, ("np.exp(", "(")),
            "no power of ten": changed(
                DRAW, ("np.exp(", "("), ("np.log(", "np.log10(")
            ),
            "ten for e": changed(DRAW, ("np.exp(", "10 ** (")),
            "e for ten": changed(DRAW, ("np.log(", "np.log10(")),
            "log of uniform": changed(
                DRAW,
                ("np.exp", "np.log"),
                ("np.log(low), np.log(high)", "low, high"),
            ),
            "inverse of uniform": changed(
                DRAW,
                (
                    "np.exp(generator.uniform(np.log(low), np.log(high), size))",
                    "1 / generator.uniform(1 / high, 1 / low, size)",
                ),
            ),
            "whole decades": changed(
                DRAW,
                ("np.exp(", "low * 10 ** np.floor("),
                ("np.log(low), np.log(high)", "0, np.log10(high / low)"),
            ),
            "squared": changed(
                DRAW,
                (
                    "np.exp(generator.uniform(np.log(low), np.log(high), size))",
                    "low + (high - low) * generator.uniform(0, 1, size) ** 2",
                ),
            ),
            "exp of the bounds": changed(
                DRAW, ("np.log(low), np.log(high)", "low, high")
            ),
            "ten to the bounds": changed(
                DRAW,
                ("np.exp(", "10 ** ("),
                ("np.log(low), np.log(high)", "low, high"),
            ),
            "one decade too many": changed(DRAW, ("np.log(high)", "np.log(10 * high)")),
            "another generator": changed(
                DRAW, ("generator.uniform", "np.random.default_rng().uniform")
            ),
            "one number": changed(DRAW, (", size))", "))")),
        }
    },
    "halving": {
        "wrong": {
            "keeps the worst": changed(
                HALVE, ("key=losses.get)", "key=losses.get, reverse=True)")
            ),
            "trains anew": changed(
                HALVE,
                ("    for _ in", "    spent = 0\n    for _ in"),
                (
                    "        losses =",
                    "        before, spent = spent, spent + epochs\n        losses =",
                ),
                ("train(candidates[i], epochs)", "train(candidates[i], spent)"),
            ),
            "rounds up": changed(
                HALVE,
                ("max(1, size // eta)", "-(-size // eta)"),
                ("max(1, len(alive) // eta)", "-(-len(alive) // eta)"),
            ),
            "the budget in each round": changed(
                HALVE, ("budget // rounds // len", "budget // len")
            ),
            "always as many epochs": changed(
                HALVE, ("rounds // len(alive)", "rounds // len(candidates)")
            ),
            "a round too many": changed(
                HALVE, ("while size > 1", "rounds += 1\n    while size > 1")
            ),
            "trains twice": changed(
                HALVE,
                (
                    "losses = {i: train(candidates[i], epochs) for i in alive}",
                    "losses = {i: train(candidates[i], epochs // 2) for i in alive}\n"
                    "        losses = {i: train(candidates[i], epochs - epochs // 2)"
                    " for i in alive}",
                ),
            ),
            "no rounds": changed(
                HALVE, ("epochs = budget // rounds // len(alive)", "epochs = 1")
            ),
            "down to nobody": changed(
                HALVE,
                ("size > 1", "size != 1"),
                ("max(1, size // eta)", "size // eta"),
            ),
            "trains for ever": changed(
                HALVE, ("for _ in range(rounds)", "while len(alive) >= 1")
            ),
            "nobody is left": changed(
                HALVE, ("max(1, len(alive) // eta)", "len(alive) // eta")
            ),
            "the index": changed(HALVE, ("candidates[alive[0]]", "alive[0]")),
            "trains the index": changed(HALVE, ("train(candidates[i]", "train(i")),
            "half epochs": changed(
                HALVE,
                ("budget // rounds // len(alive)", "budget / rounds / len(alive)"),
            ),
        }
    },
}
