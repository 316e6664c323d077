"""From a person (or the simulated operator) to actions, interventions and labels."""
