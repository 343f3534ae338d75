"""State that outlives a reload. Each store has one idea and a clock that is given to it."""
