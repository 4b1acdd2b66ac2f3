"""From a notebook to a slide deck: what `course_utils.lecture` is made of.

blocks.py        a cell to pieces of HTML: text, code, output, figure, explorable
outline.py       the pieces to slides: roles, notes, headings, layout, warnings
packages.py      reveal.js and MathJax, fetched once by npm (package.json)
deck.html.j2     the page; deck.css its look
deck.js          starts the deck, fits every slide to its frame
explorables.js   runs the explorables without a kernel
"""
