"""`hf-hardneg inpaint ACTION`: make pairs of photos that differ in one thing."""
