"""A package, so that no other package of this name, as some libraries ship, is taken for it."""
