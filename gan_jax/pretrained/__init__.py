"""Trained nets: of features that images are compared by, and that networks look through."""
