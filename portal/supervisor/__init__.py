"""`manage.py up`: prepares a data folder, starts all processes on one machine, and keeps them running."""
