"""Photos of animals or people into face-centred crops, fit for a GAN."""
