"""Estimation of the colour of the light, tested by cross-validation beside classic estimates."""
