"""What check_wheel.py looks at and runs."""
