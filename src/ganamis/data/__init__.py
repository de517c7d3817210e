"""From files to checked images with an identity."""
