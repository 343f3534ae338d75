"""Every client of a language model against every vendor: what works, and what cannot, with its reason."""
