"""Hardware behind the protocols of the hub."""
