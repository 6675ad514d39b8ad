"""What a user does, as calls: import, train, predict, evaluate, describe, examine."""
