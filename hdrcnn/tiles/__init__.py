"""Pictures of any size in bounded memory."""
