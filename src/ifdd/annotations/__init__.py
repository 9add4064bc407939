"""What people coded in a video, read from the files of ELAN, Praat and BORIS, and from tables."""
