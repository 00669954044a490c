"""Studies: sweeps over experiments that end in a table and a picture."""
