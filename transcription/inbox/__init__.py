"""What lies in the `in/` of a watched folder or bucket, or in a mailbox, becomes a recording, once.

polling   finds files, and writes a row for each
arrivals  which are due, claims, and how they end
mail      which messages and attachments are taken, reads and moves them
taking    has intake accept or refuse a file, and moves it
"""
