"""Perceptual hashes, near duplicates and leaks between sets of cells."""
