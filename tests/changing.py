"""Makes wrong answers out of right ones, for tests/answers."""


def changed(answer, *replacements):
    """An answer with parts of it replaced; raises ValueError where one is not there."""
    for old, new in replacements:
        if old not in answer:
            raise ValueError(f"{old!r} does not occur in the answer")
        answer = answer.replace(old, new)
    return answer
