"""Ticketing: a shop sells, the ERP books, access control gets the codes."""
