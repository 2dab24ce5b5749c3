"""Recipes, data pipelines, runs and the command line."""
