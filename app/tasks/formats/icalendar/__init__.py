"""iCalendar files (RFC 5545), and vCalendar 1.0 of older phones."""
