"""Whether a GAN works: figures of its samples, and of its two players."""
