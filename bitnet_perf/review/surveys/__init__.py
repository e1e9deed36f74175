"""What is measured of both sides beside their times, one file a subject."""
