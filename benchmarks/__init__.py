"""Measures of speed: `gan-jax benchmark`, its peers, and a compiled step for chips elsewhere."""
