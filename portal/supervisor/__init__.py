"""Everything on one machine: `manage.py up` prepares a data folder and keeps the processes running."""
