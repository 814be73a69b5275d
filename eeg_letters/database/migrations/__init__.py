"""Makes the tables, and brings older ones up to date: Alembic's environment."""
