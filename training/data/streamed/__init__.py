"""What is made of all dates of a data set without ever holding what is made of each."""
