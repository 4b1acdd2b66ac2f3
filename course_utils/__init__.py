"""The package behind the course From Gradients to GANs. See README.md."""

import os

# Threads that wait for each other should sleep rather than spin. On a machine that also
# does something else, spinning was measured to make training up to ten times slower.
# It only has an effect before torch is imported; the Makefile sets it for notebooks.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
