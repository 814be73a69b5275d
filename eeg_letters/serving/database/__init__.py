"""What the service does with a database: recordings, what was answered, and what was true."""
