"""The one model: how many generators, which image from which, and which of them are known."""
