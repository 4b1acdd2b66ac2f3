"""Wrong searches with 20 trials in chapter 07: what is wrong, and the code."""

from changing import changed

SPEND = """
def spend(objective):
    generator, found = np.random.default_rng(1), []
    for _ in range(20):
        pair = [np.exp(generator.uniform(*np.log(ends)))
                for ends in objective.space.values()]
        found.append((objective(*pair), pair))
    return min(found)[1]
"""

ANSWERS = {
    "spend": {
        "wrong": {
            "one too many": changed(SPEND, ("range(20)", "range(21)")),
            "uniform": changed(
                SPEND,
                (
                    "np.exp(generator.uniform(*np.log(ends)))",
                    "generator.uniform(*ends)",
                ),
            ),
            "the worst": changed(SPEND, ("min(found)", "max(found)")),
            "one pair for all": """
def spend(objective):
    pair = 0.5, 3.0
    objective(*pair)
    return pair
""",
            "nothing tried": "def spend(objective):\n    return 0.01, 1.0\n",
            "never tried": changed(
                SPEND, ("min(found)[1]", "[2 * x for x in min(found)[1]]")
            ),
            "swapped": changed(SPEND, ("min(found)[1]", "min(found)[1][::-1]")),
            "loss as well": changed(SPEND, ("min(found)[1]", "min(found)")),
            "three values": changed(SPEND, ("min(found)[1]", "(*min(found)[1], 1.0)")),
            "outside": changed(SPEND, ("np.exp(", "20 * np.exp(")),
        }
    },
}
