"""The model as it is served: MLflow pyfunc, what a request may hold, the guard before it."""
