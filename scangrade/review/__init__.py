"""The local web page on which people decide what the machine is not sure of."""
