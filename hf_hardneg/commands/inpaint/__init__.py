"""`hf-hardneg inpaint ACTION`: build pairs of photos that differ in one object."""
