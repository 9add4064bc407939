"""What is read from, and written to, other computers: downloads, the Hugging Face Hub, object storage."""
