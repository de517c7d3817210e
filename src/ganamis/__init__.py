"""GAN-Amis: attribute synthetic medical images to the generative models that made them."""
