"""The database: both kinds, and the command."""
