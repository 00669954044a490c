"""Uses of a trained run: sample, classify, translate, export, assess."""
