"""Pictures of the demonstrations, one module each, as functions of plain arrays."""
