"""Drawing of the missing centre of images, learned with an adversary, tested under coloured light."""
