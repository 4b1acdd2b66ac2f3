"""The package behind the course From Gradients to GANs. See README.md."""
