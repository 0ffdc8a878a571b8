"""What the libraries raise, and what to say to the user."""
