"""What the explorables share: chance that a seed fixes, and the life of a View."""

import numpy as np
import pytest
import test_explore

from course_utils.explorables.base import read_script
from course_utils.explorables.chance import uniforms

node = test_explore.node  # the fixture
SEEDS = (0, 1, 3, 999, 20_999, 639_999, 2**31 - 1)
# A page of which nothing is seen: it counts what a View asks of it.
VIEW = """
    const seen = { draws: 0, saved: 0, fitted: 0, watched: 0, frames: [], heard: [] };
    const part = () => ({ setAttribute() {}, append() {}, addEventListener() {} });
    class Observer {
      constructor(changed) { seen.changed = changed; }
      observe() { seen.watched += 1; }
      disconnect() { seen.watched -= 1; }
    }
    Object.assign(globalThis, {
      document: { createElement: part, body: {} },
      requestAnimationFrame: (f) => seen.frames.push(f),
      cancelAnimationFrame: () => { seen.frames = []; },
      ResizeObserver: Observer, MutationObserver: Observer,
    });
    const values = { a: 1, b: 2 };
    const model = {
      get: (name) => values[name], save_changes: () => { seen.saved += 1; },
      set: (name, value) => {
        if (values[name] === value) return;
        values[name] = value;
        for (const heard of seen.heard) heard();
      },
      on: (_, f) => seen.heard.push(f),
      off: (_, f) => { seen.heard = seen.heard.filter((one) => one !== f); },
    };
    class Small extends m.View {
      constructor(model, el) {
        super(model, el, "small", "a small view");
        this.start(...(data ? [{ fit: () => { seen.fitted += 1; } }] : []));
        seen.view = this;
      }
      draw() { seen.draws += 1; }
    }
    const stop = m.shows(Small).render({ model, el: part() });
    const look = () => {
      for (const frame of seen.frames.splice(0)) frame();
      const { draws, saved, fitted, watched, heard } = seen;
      return [draws, saved, fitted, watched, heard.length, values.a];
    };
    const story = [look(), look()];
    seen.view.keep({ a: 3, b: 4 });
    story.push(look());
    seen.view.keep({ a: 5 }, false);
    story.push(look());
    seen.view.keep({ a: 5 });
    story.push(look());
    model.set("a", 6);
    story.push(look());
    seen.changed?.();
    story.push(look());
    model.set("a", 7);
    stop();
    model.set("a", 8);
    story.push(look(), seen.view.traits("b", "a"));
    return story;
"""


def mulberry32(seed, count):
    """One number after the other."""
    state, found = (seed + 1) * 0x9E3779B1 % 2**32, []
    for _ in range(count):
        state = (state + 0x6D2B79F5) % 2**32
        mixed = (state ^ (state >> 15)) * (state | 1) % 2**32
        mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)) % 2**32
        found.append((mixed ^ (mixed >> 14)) / 2**32)
    return found


def test_chance_is_the_same_number_after_number_and_in_the_browser(node):
    body = "return data.map((seed) => [...m.uniforms(seed, 500)]);"
    found = node(read_script(["chance"]), body, SEEDS)
    for seed, numbers in zip(SEEDS, found, strict=True):
        assert numbers == uniforms(seed, 500).tolist() == mulberry32(seed, 500)
    assert len({numbers[0] for numbers in found}) == len(SEEDS)


def test_chance_is_uniform():
    numbers = uniforms(3, 20_000)
    assert numbers.min() >= 0 and numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(numbers.var() - 1 / 12) < 0.002
    assert np.abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.03
    assert uniforms(3, 0).shape == (0,)


@pytest.mark.parametrize("sheets", [False, True])
def test_a_view_draws_once_a_frame_and_follows_until_it_is_stopped(node, sheets):
    script = read_script([]) + "\nexport { View, shows };\n"
    *story, traits = node(script, VIEW, sheets)
    watched = 2 * sheets  # its size and the theme
    assert story == [
        [1, 0, 0, watched, 1, 1],
        [1, 0, 0, watched, 1, 1],
        [2, 1, 0, watched, 1, 3],  # two traits, one frame
        [3, 1, 0, watched, 1, 5],
        [4, 2, 0, watched, 1, 5],  # what a reader does is drawn, changed or not
        [5, 2, 0, watched, 1, 6],
        [5 + sheets, 2, int(sheets), watched, 1, 6],
        [5 + sheets, 2, int(sheets), 0, 0, 8],  # stopped: not even the frame asked for
    ]
    assert traits == {"b": 4, "a": 8}
