"""Tables, plots and the page of stored results."""
