"""A page in the browser to play with trained runs: `gan-jax app`."""
