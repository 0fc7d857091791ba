//! Starts the cores, joins them, drains them.
