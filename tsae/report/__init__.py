"""What a person looks at: the self-contained HTML report and the picture of one event."""
