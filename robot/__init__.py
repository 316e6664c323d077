"""The hub: what is true of a robot whatever hardware, network or human is attached."""
