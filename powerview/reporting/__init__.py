"""What people read: a campaign's figures, charts, the preview page, exports and the report."""
