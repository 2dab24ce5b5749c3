"""The network of a recipe, its optimizer, the devices that it trains on."""
