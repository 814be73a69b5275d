"""What was answered, looked up again; what was true of it; and forgetting a person's session."""
