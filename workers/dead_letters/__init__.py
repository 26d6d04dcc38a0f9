"""Dead letters: reading them, and putting them back."""
