"""Start the services and the commands of an experiment, and end them: ``greenlight run``, ``compare``, ``demo``."""
