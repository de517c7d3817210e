"""What the registered model and its aliases are called; MLflow is not needed to know it."""

MODEL = "ganamis"
CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"
CHAMPION_URI = f"models:/{MODEL}@{CHAMPION}"
