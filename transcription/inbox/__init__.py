"""What lies in the `in/` of a watched folder or bucket becomes a recording, once.

polling   finds files, and writes a row for each
arrivals  which are due, claims, and how they end
taking    has intake accept or refuse a file, and moves it
"""
