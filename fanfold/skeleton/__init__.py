"""What ``fanfold new-operation`` copies, under another name: an operation that runs as it is, with its test."""
