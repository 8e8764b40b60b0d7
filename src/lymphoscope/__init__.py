"""Lymphoscope tells lymphoblasts from other white cells in blood smears. Research software, not a medical device."""
