"""What an experiment is: its files, its commands, its modes and its run ids."""
