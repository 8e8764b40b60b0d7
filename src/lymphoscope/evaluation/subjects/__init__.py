"""From cells to subjects: shares of blasts with their intervals."""
