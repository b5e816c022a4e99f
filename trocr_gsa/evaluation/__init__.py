"""Reading labelled lines and telling how well: `evaluate`, and the report."""
