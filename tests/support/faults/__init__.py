"""What the fault matrix needs: an operator that is scraped all the time, the check of its deliveries, the table."""
