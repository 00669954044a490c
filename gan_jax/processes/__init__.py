"""The processes of a run: several at once, signals, memory."""
