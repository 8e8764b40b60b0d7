"""The sections of the page of a smear: one file each."""
