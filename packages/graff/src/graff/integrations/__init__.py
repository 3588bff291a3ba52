"""Callbacks that bring a planner into the training loops of other libraries; each module needs the library it names."""
