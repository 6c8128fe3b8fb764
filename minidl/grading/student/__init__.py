"""What a student does with an exercise: begin, check, train, hand in."""
