"""The explorables: for each one a Python class and the JavaScript it shows."""
