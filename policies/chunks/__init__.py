"""Models that predict a chunk of actions: a perceptron, ACT, diffusion and flow."""
