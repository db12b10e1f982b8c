// This file is empty: it lets the functions in linked.go have no bodies.
