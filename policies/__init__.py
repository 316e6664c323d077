"""Base policies, the residual, the off-policy learner and what feeds it; the only package that imports torch."""
