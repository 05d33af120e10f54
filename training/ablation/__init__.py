"""What each source and each constraint is worth: many short trainings, compared."""
