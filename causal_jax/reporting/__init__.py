"""Pictures, sheets and the report page."""
