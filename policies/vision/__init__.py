"""Eyes of policies: pictures from the cameras become a few numbers."""
