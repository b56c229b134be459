"""What happens between a pull request and what runs: comments, review stacks, releases, drift."""
