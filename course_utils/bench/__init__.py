"""How fast are loop and layers? `make bench`, or `python -m course_utils.bench`.

loops.py         our loop, one by hand and those of other libraries (peers.py) train the
                 same model from the same weights on the same images (problems.py)
around.py        what the loop, progress, history and checkpoints take of an epoch
knobs.py         what each setting of the engine changes, over a plain step in fp32
pipelines.py     images per second of loading and augmentation
throughput.py    images per second of models, and how much of what the device could do
                 (peak.py) that is
convolutions.py  time and memory of convolution by hand, forward and backward, over that
                 of torch
target.py        seconds to 94 % on Fashion-MNIST, on a graphics card

Things are compared in rounds: a round runs each of them once, in random order. A ratio
is taken within a round, to the reference in it; shown are the median of the rounds and
the quartiles. The A/A control, the reference against itself, shows what noise alone
does on this machine (timing.py). Memory is what tensors took (memory.py).

Most of the noise on Linux is freed memory that goes back to the system and has to be
fetched again. Without it the A/A spread is several times smaller:

MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=2000000000 make bench

Elsewhere in the course threads that wait for each other sleep at once, which leaves the
processors to other programs. `make bench` expects to be alone on the machine and lets
them stay awake for a moment (GOMP_SPINCOUNT): to be woken takes longer than many of the
small steps that are measured here.

All of it takes about ten minutes on two cores; --only loops leaves out the rest.
"""
